"""Measurements of the whole service, run by hand: `make eval` and the like."""
