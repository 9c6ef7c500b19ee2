"""Task types of the soak: each writes to the ledger, whatever its handler is. For TASKRUNNER_TASK_MODULES."""

from __future__ import annotations

import asyncio
import os
import time
import uuid

from shared.tasks import BlockingRun, Run, TaskModel, task
from tests.support.ledger import write
from tests.support.own_tasks import Text

STEPS = 5


class Work(TaskModel):
    ledger: str
    key: str
    seconds: float = 0.0
    failures: int = 0
    """Attempts that fail before one succeeds."""


@task(type="soak_progress", queue="ai_processing", timeout=60)
async def progressing(run: Run, given: Work) -> Text:
    """Work in steps, each with progress and a piece of output."""
    token = _begun(run, given)
    for step in range(STEPS):
        run.progress(100 * step / STEPS, f"step {step}")
        run.emit(f"{step} ")
        await asyncio.sleep(given.seconds / STEPS)
    return _ended(run, given, token)


@task(type="soak_flaky", queue="demo_tasks", timeout=60)
async def flaky(run: Run, given: Work) -> Text:
    """Lose a connection in the first attempts."""
    token = _begun(run, given)
    if run.attempt <= given.failures:
        raise ConnectionError(f"attempt {run.attempt} of {given.failures} that fail")
    return _ended(run, given, token)


@task(type="soak_thread", queue="demo_tasks", timeout=60, pool="thread")
def in_a_thread(run: BlockingRun, given: Work) -> Text:
    """Block a thread of the worker."""
    token = _begun(run, given)
    time.sleep(given.seconds)
    return _ended(run, given, token)


@task(type="soak_process", queue="urgent", timeout=60)
def in_a_process(run: BlockingRun, given: Work) -> Text:
    """Block a child of the worker; the ledger names the worker, as the task's row does."""
    token = _begun(run, given, os.getppid())
    time.sleep(given.seconds)
    return _ended(run, given, token, os.getppid())


def _begun(run: Run | BlockingRun, given: Work, pid: int | None = None) -> str:
    token = uuid.uuid4().hex
    write(given.ledger, "start", str(run.task_id), run.attempt, given.key, token, pid)
    return token


def _ended(run: Run | BlockingRun, given: Work, token: str, pid: int | None = None) -> Text:
    write(given.ledger, "end", str(run.task_id), run.attempt, given.key, token, pid)
    return Text(text=token)
