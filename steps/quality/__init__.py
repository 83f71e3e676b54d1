"""What step 8 is made of, beside the rubric: the last repair and the structured data."""
