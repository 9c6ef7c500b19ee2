"""The span of a submit, by the semantic conventions for messaging: the runs of its tasks continue it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from shared.domain.task import NewTask
from shared.telemetry.current import TRACING

if TYPE_CHECKING:
    from shared.telemetry.spans import Attributes, Tracer

SYSTEM = "taskrunner"


def publishing(tasks: Sequence[NewTask]) -> AbstractContextManager[Sequence[NewTask]]:
    """One PRODUCER span over the storing of ``tasks``, however many; it gives them with its own ``traceparent``.

    Where no spans are made: ``tasks`` as they are.
    """
    tracer = TRACING.tracer
    return nullcontext(tasks) if tracer is None or not tasks else _traced(tracer, tasks)


@contextmanager
def _traced(tracer: Tracer, tasks: Sequence[NewTask]) -> Iterator[Sequence[NewTask]]:
    queues = {task.queue for task in tasks}
    name = f"publish {tasks[0].queue}" if len(queues) == 1 else "publish"
    with tracer.child(name, "PRODUCER", _about(tasks, queues)) as span:
        yield [task._replace(traceparent=span.traceparent) for task in tasks]


def _about(tasks: Sequence[NewTask], queues: set[str]) -> Attributes:
    about: dict[str, str | int] = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
    }
    if len(queues) == 1:
        about["messaging.destination.name"] = tasks[0].queue
    if len(tasks) == 1:
        about |= {"messaging.message.id": str(tasks[0].id), "taskrunner.task.type": tasks[0].type}
    else:
        about["messaging.batch.message_count"] = len(tasks)
    return about
