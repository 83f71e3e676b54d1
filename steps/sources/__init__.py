"""What step 6 is made of: searching, judging, fetching and citing sources."""
