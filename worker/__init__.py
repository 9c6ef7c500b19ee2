"""The worker process: ``arq worker.WorkerSettings``.

Importing this package puts our worker in the place of arq's, which arq's command line builds by
name. ``WorkerSettings`` is made when it is asked for, never at import: arq reads its ``__dict__``.
"""

from __future__ import annotations

from typing import Any

import arq.worker

from worker.engine.arq_worker import TaskWorker

arq.worker.Worker = TaskWorker


def __getattr__(name: str) -> Any:
    if name == "WorkerSettings":
        from worker.settings import worker_settings  # noqa: PLC0415 - reads the environment

        return worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
