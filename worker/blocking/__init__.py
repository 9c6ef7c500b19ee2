"""Runs ``def`` handlers beside the event loop: in child processes, or in threads.

Owns the children, the threads and the pipe between a blocking run and the live one. Refuses to
decide anything about tasks: it hands back a result, or the facts of a failure.

    runner ── processes ── remote ═ frames ═ child ── served        the pool, a child from outside and inside
         └─── threads ──────────── live ─────────── bridged         the pool, the worker's and the handler's end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.blocking.errors import ChildDied, ChildNotReady, HandlerFailed
    from worker.blocking.runner import BlockingRunner

__all__ = ["BlockingRunner", "ChildDied", "ChildNotReady", "HandlerFailed"]


def __getattr__(name: str) -> Any:
    # When asked for: every child imports this package too, and starts the faster the less it loads.
    if name == "BlockingRunner":
        from worker.blocking.runner import BlockingRunner  # noqa: PLC0415

        return BlockingRunner
    if name in __all__:
        from worker.blocking import errors  # noqa: PLC0415

        return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
