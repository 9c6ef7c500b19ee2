"""The span of a run, by the semantic conventions for messaging; where no spans are made, the submitter's trace goes on.

A child process gets neither: what it asks of its run (``run.ai``, ``run.files``) is done, and traced, by the worker.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.states import AttemptOutcome
from shared.domain.task import ClaimedTask
from shared.domain.verdict import Verdict
from shared.queue.publishing import SYSTEM
from shared.telemetry.current import CARRIED, TRACING

if TYPE_CHECKING:
    from shared.telemetry.spans import Attributes, Span


def enter_trace(task: ClaimedTask, worker_id: UUID, context: contextvars.Context) -> Span | None:
    """Let ``context`` belong to the trace of ``task``. Where spans are made: the CONSUMER span, to be ended."""
    tracer = TRACING.tracer
    if tracer is None:
        if task.traceparent is not None:
            context.run(CARRIED.set, task.traceparent)
        return None
    attributes: Attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": task.queue,
        "messaging.message.id": str(task.id),
        "messaging.client.id": str(worker_id),
        "taskrunner.task.type": task.type,
        "taskrunner.task.attempt": task.attempt,
        "taskrunner.task.generation": task.generation,
    }
    span = tracer.continuing(task.traceparent, f"process {task.queue}", "CONSUMER", attributes)
    context.run(span.enter)
    return span


def end_trace(span: Span, verdict: Verdict) -> None:
    """End it with what the run came to. That a task was cancelled or given back is no error."""
    span.note({"taskrunner.task.outcome": verdict.outcome.value})
    if verdict.error is not None and verdict.outcome is not AttemptOutcome.RELEASED:
        span.fail(verdict.error.type)
    elif verdict.is_crash:
        span.fail("crash")
    span.end()
