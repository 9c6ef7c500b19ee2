"""Task rows as the rest of the house sees them: plain frozen values, no ORM object leaves ``shared/db``.

What is made ten thousand times a batch is a tuple: a frozen dataclass of as many fields takes several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shared.domain.states import AttemptOutcome, Status
from shared.domain.verdict import TaskError

DEFAULT_TENANT = 1
"""The tenant ``default``, which exists from the first migration on."""

DEFAULT_PRIORITY = 5
"""0 is served first, 9 last."""

TEXT_GENERATION = "text_generation"
"""The one type with a short form in the API."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. ``percent`` is 0 to 100."""

    percent: float
    message: str
    updated_at: datetime


class NewTask(NamedTuple):
    """A task planned and validated, not yet stored. ``delay`` is seconds from the commit, to the microsecond."""

    id: UUID
    type: str
    input: dict[str, Any]
    queue: str
    priority: int
    timeout: float
    max_attempts: int
    delay: float = 0.0
    run_at: datetime | None = None
    expires_at: datetime | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    request_id: str | None = None
    traceparent: str | None = None
    callback_url: str | None = None
    unique_key: bytes | None = None
    limits: str = ""
    """The names of its limits: see ``shared.domain.limits``."""

    def due_at(self, created_at: datetime) -> datetime:
        """``run_at`` of its row, if that is made then."""
        return self.run_at or created_at + timedelta(seconds=self.delay)


class Task(NamedTuple):
    """One row of ``tasks``. ``status`` is SCHEDULED where the row is PENDING and due later."""

    id: UUID
    tenant_id: int
    type: str
    queue: str
    priority: int
    status: Status
    version: int
    attempt: int
    max_attempts: int
    generation: int
    cancel_requested: bool
    input: dict[str, Any]
    result: Any
    error: TaskError | None
    progress: Progress | None
    tags: list[str]
    metadata: dict[str, Any]
    timeout: float
    worker_id: UUID | None
    created_at: datetime
    updated_at: datetime
    run_at: datetime
    expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    request_id: str | None
    traceparent: str | None
    limits: str = ""

    @property
    def duration(self) -> float | None:
        """Seconds the last run took, once it ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class ClaimedTask(NamedTuple):
    """A task this worker owns by ``lease``, with what running it takes. A tuple is made in a seventh of the time."""

    id: UUID
    tenant_id: int
    type: str
    queue: str
    priority: int
    input: dict[str, Any]
    lease: UUID
    attempt: int
    max_attempts: int
    generation: int
    timeout: float
    created_at: datetime
    started_at: datetime
    request_id: str | None
    traceparent: str | None
    losses: int = 0
    crashes: int = 0
    limits: str = ""
    run_at: datetime | None = None

    @property
    def wait(self) -> float | None:
        """Seconds from when it was due to when it started."""
        return None if self.run_at is None else max(0.0, (self.started_at - self.run_at).total_seconds())

    @property
    def is_suspect(self) -> bool:
        """Whether an earlier run ended with its worker or its process: then it runs alone in a child."""
        return self.losses > 0 or self.crashes > 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a task, ended or under way."""

    attempt: int
    generation: int
    worker_id: UUID | None
    started_at: datetime
    finished_at: datetime | None
    outcome: AttemptOutcome
    error: TaskError | None


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a list is narrowed to; empty means any. Statuses follow the SCHEDULED rule."""

    statuses: tuple[Status, ...] = ()
    types: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
