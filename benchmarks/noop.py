"""The task type that is measured: it does nothing but say when it was entered. For TASKRUNNER_TASK_MODULES."""

from __future__ import annotations

import os
import time

from benchmarks.peers.ledger import FOLDER, UNNUMBERED, entered
from shared.tasks import Run, TaskModel, task

NOTES = FOLDER in os.environ
"""Whether this run keeps a ledger, as it does beside the peers."""


class Nothing(TaskModel):
    number: int = UNNUMBERED


class Entered(TaskModel):
    at: float


@task(type="bench_noop", queue="demo_tasks", timeout=60)
async def noop(run: Run, given: Nothing) -> Entered:  # noqa: ARG001 - a handler's signature
    """Say when it was entered: seconds since the epoch, by the clock the database reads too."""
    if NOTES:
        entered(given.number)
    return Entered(at=time.time())
