"""The run of one claimed task: start its handler, watch its time, read how it ended, decide."""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from shared.domain.errors import Fatal, InputRefused, UnknownTaskType
from shared.domain.outcomes import (
    CancelHonoured,
    Crashed,
    Failed,
    Interrupted,
    Outcome,
    Succeeded,
    TimedOut,
    failure_of,
)
from shared.domain.retry import DEFAULT_RETRY, Never, RetryPolicy
from shared.domain.states import Status
from shared.domain.task import ClaimedTask, Progress
from shared.domain.verdict import Attempted, Verdict, decide
from shared.logs import FACTS, get_logger
from shared.telemetry.traceparent import facts_of
from worker.blocking import ChildDied, HandlerFailed
from worker.context import LiveRun
from worker.handlers import Handlers
from worker.routine import routine
from worker.tracing import end_trace, enter_trace

if TYPE_CHECKING:
    from shared.telemetry.spans import Span

CANCEL_GRACE_SECONDS = 5.0
"""How long a handler may take to end after it was cancelled, before its run is given up."""
INVALID_INPUT = "invalid_input"
"""The type of the error where a stored input is none that its task type takes."""
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL as JSON writes it; an escaped backslash before ``u0000`` is none."""
INTEGERS = range(-(2**63), 2**64)
"""Those that whoever reads the row takes for what they are: a larger one comes back as a float, or ends the reading."""
LONG_NUMBER, DIGITS_AS_ZEROS = b"0" * 19, bytes.maketrans(b"123456789", b"000000000")
ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
log = get_logger(__name__)


class Execution:
    """The run of one claimed task. ``start`` it; ``ended`` is called once, with what the run comes to.

    ``cancel`` and ``interrupt`` may be called at any time. One asyncio task a run, and no timer: a watcher or a timer
    of its own for each would cost more than a small handler does.
    """

    def __init__(self, task: ClaimedTask, handlers: Handlers, ended: Callable[[Execution, Verdict], None]) -> None:
        self.task = task
        self.handler: asyncio.Task[BaseModel] | None = None
        self._handlers = handlers
        self._ended = ended
        self._run: LiveRun | None = None
        self._span: Span | None = None
        self._is_late = False
        self._is_interrupted = False
        self._has_ended = False
        self._cancel_again_at = 0.0

    def start(self) -> None:
        """Begin the handler; it may have ended when this returns."""
        if self._is_interrupted:
            self._end(Interrupted())
            return
        context = contextvars.copy_context()
        context.run(FACTS.set, self.facts)
        self._span = enter_trace(self.task, self._handlers.worker_id, context)
        try:
            prepared = self._handlers.prepare(self.task, on_start=self._begin)
        except UnknownTaskType as error:
            # The row was written by other code than this worker runs; no attempt of ours can mend that.
            self._end(replace(failure_of(error), is_fatal=True))
            return
        except InputRefused as error:
            # The same, or a workflow made it of what other tasks gave.
            self._end(replace(failure_of(error), type=INVALID_INPUT, is_fatal=True))
            return
        self._run = prepared.run
        self.handler = asyncio.get_running_loop().create_task(prepared.call(), context=context)
        self.handler.add_done_callback(self._read_end, context=context)

    def facts(self) -> dict[str, object]:
        """What every line of this run carries."""
        task = self.task
        return {
            "task_id": str(task.id),
            "attempt": task.attempt,
            "generation": task.generation,
            "type": task.type,
            "queue": task.queue,
            "worker": str(self._handlers.worker_id),
            "request_id": task.request_id,
            **facts_of(task.traceparent if self._span is None else self._span.traceparent),
        }

    def cancel(self) -> None:
        """Somebody wants it cancelled: tell the handler, and end its next await.

        Asked again and again, it cancels again after a grace: the handler may be cleaning up, and it
        may have lost a cancel (``wait_for`` in Python 3.11 drops one that meets an answer).
        """
        if self._run is None or self.handler is None or time.monotonic() < self._cancel_again_at:
            return
        self._cancel_again_at = time.monotonic() + CANCEL_GRACE_SECONDS
        self._run.cancelled = True
        self.handler.cancel()

    def interrupt(self) -> None:
        """The worker must stop: end the run; it is given back and costs no attempt."""
        self._is_interrupted = True
        self._stop_handler()

    @property
    def has_said_anything(self) -> bool:
        """Whether its handler told of progress or streamed output."""
        return self._run is not None and self._run.has_said_anything

    def last_progress(self, verdict: Verdict) -> Progress | None:
        """What is saved with the row: the last word of the run. That a completed one came to 100 % needs no saving."""
        last = self._run.last_progress if self._run else None
        if last is None or verdict.status is not Status.COMPLETED:
            return last
        return Progress(100.0, last.message, datetime.now(UTC)) if last.message else None

    def _begin(self) -> None:
        """The handler runs now; its time counts from here, not from the start of its process."""
        if routine.may_write():
            log.info("task_started")
        if not self._has_ended:
            self._handlers.deadlines.set(self, self.task.timeout, self._be_late)

    def _be_late(self) -> None:
        self._is_late = not self._is_interrupted
        self._stop_handler()

    def _stop_handler(self) -> None:
        """Cancel it; one that ignores that is given up after a grace: its end would come too late for anybody."""
        if self._has_ended or self.handler is None:
            return
        self.handler.cancel()
        self._handlers.deadlines.set(self, CANCEL_GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        log.error("handler_ignored_its_cancel", after_seconds=CANCEL_GRACE_SECONDS, **self.facts())
        self._end(self._why_cancelled())

    def _read_end(self, handler: asyncio.Task[BaseModel]) -> None:
        outcome = self._outcome_of(handler)
        if not self._has_ended:
            self._end(outcome)

    def _outcome_of(self, handler: asyncio.Task[BaseModel]) -> Outcome:
        if handler.cancelled():
            return self._why_cancelled()
        error = handler.exception()
        if isinstance(error, HandlerFailed):
            return error.facts
        if isinstance(error, ChildDied):
            # A supervisor's SIGTERM may reach the child, too: then the stop killed it, not the task.
            return Interrupted() if self._handlers.is_stopping else Crashed(str(error))
        if error is not None:
            return failure_of(error)
        try:
            return Succeeded(result_json(handler.result()))
        except Exception as unfit:  # noqa: BLE001 - a result's own properties and serialisers may raise anything
            return failure_of(Fatal(f"The result is no storable JSON: {unfit}"))

    def _why_cancelled(self) -> Outcome:
        if self._is_late:
            return TimedOut(self.task.timeout)
        if self._is_interrupted:
            return Interrupted()
        if self._run is not None and self._run.cancelled:
            return CancelHonoured()
        return Failed("CancelledError", "The handler cancelled itself.")

    def _end(self, outcome: Outcome) -> None:
        self._has_ended = True
        self._handlers.deadlines.clear(self)
        verdict = self._verdict(outcome)
        if self._span is not None:
            end_trace(self._span, verdict)
        self._ended(self, verdict)

    def _verdict(self, outcome: Outcome) -> Verdict:
        definition = self._handlers.find(self.task.type)
        try:
            return self._decide(outcome, definition.retry if definition else DEFAULT_RETRY)
        except Exception:
            # A user's own backoff may raise anything; the task must end all the same.
            log.exception("retry_policy_failed", **self.facts())
            return self._decide(outcome, Never())

    def _decide(self, outcome: Outcome, policy: RetryPolicy) -> Verdict:
        return decide(
            Attempted(self.task.attempt, self.task.max_attempts, self.task.crashes),
            outcome,
            policy,
            jitter=random.random(),  # noqa: S311 # nosec B311 # spreads retries, keeps no secret
            scale=self._handlers.backoff_scale,
        )


def result_json(result: BaseModel) -> str:
    """``result`` as JSON that PostgreSQL takes, and gives back as it was.

    Raises: ValueError for NaN, infinities, NUL, lone surrogates, integers beyond 64 bits.
    """
    # ``model_dump`` and ``model_dump_json`` ask the same serialiser, and cost twice as much again.
    quick: bytes = result.__pydantic_serializer__.to_json(result)
    if LONG_NUMBER in quick.translate(DIGITS_AS_ZEROS):
        json.loads(quick, parse_int=_checked)
    # A NaN is a null there, or itself: where there is none of all that, there was nothing to refuse.
    if not (b"null" in quick or b"\\u0000" in quick or b"NaN" in quick or b"Infinity" in quick):
        return quick.decode()
    encoded = ENCODER.encode(result.model_dump(mode="json"))
    if NUL.search(encoded):
        raise ValueError("it holds a NUL character")
    encoded.encode()
    return encoded


def _checked(digits: str) -> int:
    if len(digits) > len(str(INTEGERS.start)) or int(digits) not in INTEGERS:
        raise ValueError("it holds an integer beyond 64 bits: give it as a text or a float")
    return 0
