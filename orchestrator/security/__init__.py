"""Who asks: keys, signatures and what a caller may see. No Ray, and nothing heavy here."""
