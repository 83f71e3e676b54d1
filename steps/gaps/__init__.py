"""What step 2 is made of: the coverage matrix and the merging of gaps."""
