"""The task type whose words are timed: it says the time, again and again. For TASKRUNNER_TASK_MODULES."""

from __future__ import annotations

import asyncio
import time

from shared.tasks import Run, TaskModel, task


class Talk(TaskModel):
    words: int
    pause: float = 0.03


class Said(TaskModel):
    words: int


@task(type="bench_talk", queue="demo_tasks", timeout=60)
async def talk(run: Run, given: Talk) -> Said:
    """Say when each word was said: seconds since the epoch, by the clock its reader reads too."""
    for number in range(given.words):
        await asyncio.sleep(given.pause)
        run.emit(f"{time.time()} ")
        if number % 2:
            run.progress(number, str(time.time()))
    return Said(words=given.words)
