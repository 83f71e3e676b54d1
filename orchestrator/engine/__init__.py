"""The engine: runs a pipeline of steps against a journal and the services.

``run.py`` drives a job, ``attempts.py`` one step of it, ``context.py`` is what a step sees,
``memos.py`` what it has recorded, ``cache.py`` what it shares with other jobs,
``metering.py`` counts tokens, dollars and calls.
"""

from orchestrator.engine.options import EngineOptions
from orchestrator.engine.run import JobRun

__all__ = ["EngineOptions", "JobRun"]
