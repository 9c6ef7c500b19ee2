"""One task, from claimed to settled: find, run, decide, settle, tell. Five steps and nothing else."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from shared.domain.errors import Fatal, InputRefused, StoreUnavailable, UnknownTaskType, Unstorable, describe
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
from shared.domain.task import ClaimedTask, Progress, Task
from shared.domain.verdict import Attempted, TaskError, Verdict, decide, failed
from shared.logs import get_logger
from shared.queue.settle import Settlement, settle
from worker.blocking import ChildDied, HandlerFailed
from worker.context import LiveRun
from worker.runs import Handlers

CANCEL_GRACE_SECONDS = 5.0
"""How long a handler may take to end after it was cancelled, before its run is given up."""
SETTLE_PAUSE_SECONDS = 0.5
SETTLE_PAUSE_AFTER_SURPRISE_SECONDS = 5.0
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL as JSON writes it; an escaped backslash before ``u0000`` is none."""
log = get_logger(__name__)


class Execution:
    """The run of one claimed task. ``cancel`` and ``interrupt`` may be called at any time."""

    def __init__(self, task: ClaimedTask, handlers: Handlers) -> None:
        self.task = task
        self._handlers = handlers
        self.handler: asyncio.Task[BaseModel] | None = None
        self._run: LiveRun | None = None
        self._interrupted = asyncio.Event()
        self._cancel_again_at = 0.0

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
        self._interrupted.set()
        if self.handler is not None:
            self.handler.cancel()

    async def run(self) -> Verdict:
        """Run the handler and decide. Never raises what the handler raises."""
        structlog.contextvars.bind_contextvars(
            task_id=str(self.task.id),
            attempt=self.task.attempt,
            generation=self.task.generation,
            type=self.task.type,
            queue=self.task.queue,
            worker=str(self._handlers.worker_id),
            request_id=self.task.request_id,
            trace_id=trace_id_of(self.task.traceparent),
        )
        log.info("task_started")
        outcome = await self._outcome()
        definition = self._handlers.find(self.task.type)
        try:
            return self._decide(outcome, definition.retry if definition else DEFAULT_RETRY)
        except Exception:
            # A user's own backoff may raise anything; the task must end all the same.
            log.exception("retry_policy_failed")
            return self._decide(outcome, Never())

    def _decide(self, outcome: Outcome, policy: RetryPolicy) -> Verdict:
        return decide(
            Attempted(self.task.attempt, self.task.max_attempts, self.task.crashes),
            outcome,
            policy,
            jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            scale=self._handlers.backoff_scale,
        )

    async def _outcome(self) -> Outcome:
        try:
            async with self._handlers.prepared(self.task) as (call, self._run):
                if self._interrupted.is_set():
                    return Interrupted()
                self.handler = asyncio.create_task(call(), name=f"task-{self.task.id}")
                return await self._watched(self.handler, self._run)
        except (UnknownTaskType, InputRefused) as error:
            # The row was written by other code than this worker runs; no attempt of ours can mend that.
            return replace(failure_of(error), is_fatal=True)

    async def _watched(self, handler: asyncio.Task[BaseModel], run: LiveRun) -> Outcome:
        """The handler's outcome, or the time limit's, or that of whoever ended it.

        Its time counts from its start, not from that of its process. One that ignores its time limit
        or the worker's stop is given up after a grace: its end would come too late for anybody.
        """
        stopping = asyncio.create_task(_set(self._interrupted))
        started = asyncio.create_task(_set(run.started))
        try:
            await _first({handler, stopping, started})
            await _first({handler, stopping}, timeout=self.task.timeout)
            is_late = not handler.done() and not stopping.done()
        finally:
            started.cancel()
            stopping.cancel()
        if not handler.done():
            if is_late:
                handler.cancel()
            await _first({handler}, timeout=CANCEL_GRACE_SECONDS)
        if not handler.done():
            log.error("handler_ignored_its_cancel", after_seconds=CANCEL_GRACE_SECONDS)
            return self._why_cancelled(is_late=is_late)
        return self._read(handler, is_late=is_late)

    def _read(self, handler: asyncio.Task[BaseModel], *, is_late: bool) -> Outcome:
        if handler.cancelled():
            return self._why_cancelled(is_late=is_late)
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

    def _why_cancelled(self, *, is_late: bool) -> Outcome:
        if is_late:
            return TimedOut(self.task.timeout)
        if self._interrupted.is_set():
            return Interrupted()
        if self._run is not None and self._run.cancelled:
            return CancelHonoured()
        return Failed("CancelledError", "The handler cancelled itself.")

    async def settle(self, verdict: Verdict) -> Task | None:
        """Write ``verdict``; while the database is away, again and again. None: the lease was lost.

        A reply that was lost is asked for by the repeat: it finds the lease gone, and reads the row.
        """
        while True:
            settlement = Settlement(self.task.id, self.task.lease, verdict, self._final_progress(verdict))
            try:
                settled = await settle(self._handlers.stores, self.task.tenant_id, settlement)
            except StoreUnavailable:
                log.warning("settle_failed", reason="database away")
                await asyncio.sleep(SETTLE_PAUSE_SECONDS)
            except Unstorable as error:
                verdict = failed(TaskError("unstorable", describe(error), retryable=False))
            except SQLAlchemyError:
                # Nothing we know of; the result is kept, and the lease with it, until the worker ends.
                log.exception("settle_failed")
                await asyncio.sleep(SETTLE_PAUSE_AFTER_SURPRISE_SECONDS)
            else:
                _tell(verdict, settled)
                return settled

    def _final_progress(self, verdict: Verdict) -> Progress | None:
        """What is saved with the row: the last word of the run, and 100 % where it completed."""
        last = self._run.last_progress if self._run else None
        if verdict.status is Status.COMPLETED:
            return Progress(100.0, last.message if last else "", datetime.now(UTC))
        return last


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _first(waits: set[asyncio.Task[Any]], timeout: float | None = None) -> None:
    await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace of the request that submitted the task (W3C trace context, the second field)."""
    return traceparent.split("-")[1] if traceparent else None


def result_json(result: BaseModel) -> str:
    """``result`` as JSON that PostgreSQL takes. Raises: ValueError for NaN, infinities, NUL, lone surrogates."""
    encoded = json.dumps(result.model_dump(mode="json"), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if NUL.search(encoded):
        raise ValueError("it holds a NUL character")
    encoded.encode()
    return encoded


def _tell(verdict: Verdict, settled: Task | None) -> None:
    if settled is None:
        log.warning("task_lease_lost", outcome=verdict.outcome)
        return
    facts: dict[str, object] = {"status": settled.status, "duration": settled.duration}
    if verdict.error is not None:
        facts |= {"error": verdict.error.type, "retry_in": verdict.delay.total_seconds() or None}
    log.info("task_settled", **facts)
