"""Leave out of a failing interleaving what it does not need to fail."""

from __future__ import annotations

from tests.model.explore import Explorer, Failed


def shrink(explorer: Explorer, failed: Failed) -> Failed:
    """The same broken promise with as many choices as possible made the harmless one."""
    best, size = failed, len(failed.choices)
    while size >= 1:
        at = 0
        while at < len(best.choices):
            if not any(best.choices[at : at + size]):
                at += size
                continue
            script = [*best.choices[:at], *[0] * size, *best.choices[at + size :]]
            try:
                explorer.run(failed.seed, script[: len(best.choices)])
            except Failed as again:
                if again.promise.split(":")[0] == failed.promise.split(":")[0]:
                    best = again
            at += size
        size //= 2
    return best
