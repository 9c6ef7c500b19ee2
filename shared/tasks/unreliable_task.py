"""``unreliable_task``: work that fails on request. Its waiting is the simulated work; it does nothing else."""

from __future__ import annotations

import asyncio
import random
from typing import Literal, assert_never

from pydantic import ConfigDict, Field

from shared.tasks import Run, TaskModel, task

LONGEST_SECONDS = 3_600.0
STEPS = 100
SHORTEST_STEP, LONGEST_STEP = 0.1, 0.5

Kind = Literal["connection", "value", "other"]


class UnreliableInput(TaskModel):
    """How often, how, and after how much work to fail."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"fail_times": 2, "error": "connection"}, {"failure_rate": 0.3, "duration": 5}]}
    )

    fail_times: int = Field(default=0, strict=True, ge=0, le=1_000, description="Fail on the first this many attempts.")
    failure_rate: float = Field(
        default=0.0,
        strict=True,
        allow_inf_nan=False,
        ge=0,
        le=1,
        description="Chance that any later attempt fails.",
        examples=[0.3],
    )
    error: Kind = Field(
        default="connection",
        description="What a failing attempt raises: a ConnectionError, a ValueError (never retried) or a RuntimeError.",
    )
    duration: float = Field(
        default=0.0,
        strict=True,
        allow_inf_nan=False,
        ge=0,
        le=LONGEST_SECONDS,
        description="Seconds of simulated work, with progress.",
        examples=[5],
    )


class UnreliableOutput(TaskModel):
    """What it took."""

    attempts: int = Field(description="The attempt that succeeded, from 1.")


@task(type="unreliable_task", queue="demo_tasks", timeout=LONGEST_SECONDS + 100, max_attempts=4)
async def unreliable_task(run: Run, given: UnreliableInput) -> UnreliableOutput:
    """Work for a while, then fail as asked: it exists to try out retries, time limits and cancelling.

    The failure comes after the work, so that progress and cancelling can be watched on every attempt.

    Raises: ConnectionError, ValueError or RuntimeError, as ``error`` says.
    """
    await _work(run, given.duration)
    unlucky = random.random() < given.failure_rate  # noqa: S311 # nosec B311 # no secret hangs on this roll
    if run.attempt <= given.fail_times or unlucky:
        raise _error(given.error, f"Attempt {run.attempt} failed, as it was asked to.")
    return UnreliableOutput(attempts=run.attempt)


async def _work(run: Run, duration: float) -> None:
    """Take ``duration`` seconds, saying every 0.1 to 0.5 s how far it is."""
    step = min(max(duration / STEPS, SHORTEST_STEP), LONGEST_STEP)
    done = 0.0
    while done < duration:
        run.progress(100 * done / duration, f"{done:.1f} of {duration:g} s")
        await asyncio.sleep(min(step, duration - done))
        done += step


def _error(kind: Kind, message: str) -> Exception:
    match kind:
        case "connection":
            return ConnectionError(message)
        case "value":
            return ValueError(message)
        case "other":
            return RuntimeError(message)
        case _:
            assert_never(kind)
