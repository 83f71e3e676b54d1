"""What step 4 is made of beside the sections themselves."""
