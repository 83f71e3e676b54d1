"""Local stand-ins for every external service, speaking the same HTTP.

One aiohttp server answers as the Anthropic Messages API (``/anthropic``), Serper
(``/serper``), WordPress REST (``/wordpress``) and a small web of pages (``/web``). It writes
articles from the prompts it is given, takes as long as a latency profile says, and fails when
told to. Every answer carries the header ``x-sota-sandbox: 1``.

Start it with ``python -m orchestrator.sandbox``, or in a process with
:func:`orchestrator.sandbox.server.serve`; point clients at it with
:func:`orchestrator.sandbox.environment.sandbox_environment`.
"""

from orchestrator.sandbox.environment import WEB_HOSTS, sandbox_environment

__all__ = ["WEB_HOSTS", "sandbox_environment"]
