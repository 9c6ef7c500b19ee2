"""One attempt of a task type without a worker: what would be written to the task's row. Keeps no time limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from shared.domain.definition import TaskDefinition
from shared.domain.errors import Fatal
from shared.domain.outcomes import Outcome, Succeeded, failure_of
from shared.domain.states import Status
from shared.domain.verdict import Attempted, TaskError, decide
from shared.registry import Registry
from shared.testing.run import FakeRun


@dataclass(frozen=True, slots=True)
class Ended:
    """What an attempt came to. ``delay`` is how long a RETRYING task would wait, without the random part."""

    status: Status
    result: dict[str, Any] | None
    error: TaskError | None
    delay: timedelta


def attempt(definition: TaskDefinition, run: FakeRun, given: Mapping[str, Any]) -> Ended:
    """Check the input as a submit does, call the handler, and decide as a worker would; ``run.attempt`` counts.

    An ``async def`` handler gets an event loop of its own: call this from a plain test, not from a coroutine.

    Raises:
        InputRefused: a submit would have been answered with 422.
    """
    _refuse_inside_a_loop()
    # As JSON carries it: ids and times are texts.
    sent = json.loads(json.dumps(dict(given), default=str))
    outcome = _outcome(definition, run, Registry([definition]).validate_input(definition.type, sent))
    verdict = decide(Attempted(run.attempt, definition.max_attempts), outcome, definition.retry, jitter=0.0)
    result = None if verdict.result is None else json.loads(verdict.result)
    return Ended(verdict.status, result, verdict.error, verdict.delay)


def _refuse_inside_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("attempt() makes an event loop of its own: call it from a plain test, not from a coroutine")


def _outcome(definition: TaskDefinition, run: FakeRun, given: BaseModel) -> Outcome:
    try:
        output = _called(definition, run, given)
        if not isinstance(output, definition.output_model):
            raise TypeError(f"the handler returned {type(output).__name__}, not {definition.output_model.__name__}")
        return Succeeded(_stored(output))
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is what the attempt came to
        return failure_of(error)


def _called(definition: TaskDefinition, run: FakeRun, given: BaseModel) -> object:
    if definition.pool is not None:
        return definition.handler(run, given)
    # With a factory the loop of the test's own framework, if it has one, stays the current one.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        returned: object = runner.run(definition.handler(run.awaited, given))
        return returned


def _stored(output: BaseModel) -> str:
    try:
        return json.dumps(output.model_dump(mode="json"), allow_nan=False)
    except ValueError as error:
        raise Fatal(f"The result is no storable JSON: {error}") from error
