"""The durable core of the orchestrator: everything a job needs that is not Ray.

Imports point one way, ``actors -> steps -> orchestrator``; this package imports neither
of the other two, and never ``ray`` (``tests/unit/test_layers.py`` enforces it).
"""

__version__ = "0.1.0"
