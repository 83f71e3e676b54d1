"""How a model, a cache or a search is asked, with its fallbacks, and what it is asked."""
