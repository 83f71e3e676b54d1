"""What step 5 is made of: passes over the tree, each returning what it changed."""
