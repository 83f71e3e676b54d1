"""What step 7 is made of: which page fits where, and the anchor that stands in the text."""
