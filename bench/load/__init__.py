"""Load: many jobs at once on one machine, and what each costs. See ``__main__``."""
