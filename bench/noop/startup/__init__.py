"""On ``PYTHONPATH`` of the measured service, for its ``sitecustomize``."""
