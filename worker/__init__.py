"""The worker process: ``arq worker.WorkerSettings``.

Asking for ``WorkerSettings`` puts our worker in the place of arq's, which arq's command line then
builds by name, and reads the environment. Nothing of that happens at import: the child processes
of blocking handlers import this package too, and should start fast.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "WorkerSettings":
        from worker.settings import worker_settings  # noqa: PLC0415

        return worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
