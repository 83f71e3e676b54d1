"""What step 3 is made of: outline, duties of each section, title and description."""
