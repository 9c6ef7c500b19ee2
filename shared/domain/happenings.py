"""What happens to tasks, as the tenant's feed tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import ClaimedTask, Task


class Name(StrEnum):
    """The events of the feed."""

    SUBMITTED = "submitted"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


ENDS = {Status.COMPLETED: Name.SUCCEEDED, Status.FAILED: Name.FAILED, Status.CANCELLED: Name.CANCELLED}


@dataclass(frozen=True, slots=True)
class Happening:
    """One event. ``wait`` and ``duration`` are seconds: due until started, and started until ended."""

    name: Name
    tenant_id: int
    id: UUID
    type: str
    queue: str
    status: Status
    attempt: int
    generation: int
    wait: float | None = None
    duration: float | None = None


def submitted(task: Task) -> Happening:
    return _of_task(Name.SUBMITTED, task)


def started(task: ClaimedTask) -> Happening:
    return Happening(
        Name.STARTED,
        task.tenant_id,
        task.id,
        task.type,
        task.queue,
        Status.PROCESSING,
        task.attempt,
        task.generation,
        wait=task.wait,
    )


def moved(task: Task, otherwise: Name = Name.RETRIED) -> Happening:
    """``task`` as it stands after a move: its end, or ``otherwise``."""
    return _of_task(ENDS.get(task.status, otherwise), task)


def name_of(status: Status, outcome: AttemptOutcome) -> Name:
    """What a run's end is called that brought the task to ``status``."""
    return ENDS.get(status) or (Name.LOST if outcome is AttemptOutcome.LOST else Name.RETRIED)


def seconds_between(earlier: datetime | None, later: datetime | None) -> float | None:
    """Never negative: a time that a person named may lie behind the start."""
    return None if earlier is None or later is None else max(0.0, (later - earlier).total_seconds())


def _of_task(name: Name, task: Task) -> Happening:
    return Happening(
        name,
        task.tenant_id,
        task.id,
        task.type,
        task.queue,
        task.status,
        task.attempt,
        task.generation,
        seconds_between(task.run_at, task.started_at),
        task.duration,
    )
