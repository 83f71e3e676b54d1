"""Capacity: which shared part of a cluster saturates first, and what a job costs."""
