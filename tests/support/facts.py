"""What is known after a fault test, as plain data: calls of clients, lines of a ledger, rows; and breaches of rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client: times are monotonic seconds. ``status`` None: no answer came."""

    verb: str
    asked_at: float
    answered_at: float
    status: int | None
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: str | None = None
    key: str | None = None
    task_id: str | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """A line of the effects ledger: a run started or ended. ``at`` is the wall clock, as the database's."""

    what: str
    task_id: str
    attempt: int
    pid: int
    at: float
    key: str
    run: str
    """Names the run: a number of its own, which is also its result."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of ``attempts``, its times as wall-clock seconds."""

    version: int
    attempt: int
    generation: int
    outcome: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``tasks`` with its attempts in order of version; ``pid`` is its worker's, where that is known."""

    id: str
    status: str
    version: int
    attempt: int
    max_attempts: int
    generation: int
    losses: int = 0
    cancel_requested: bool = False
    outcome: str | None = None
    result: str | None = None
    started_at: float | None = None
    created_at: float = 0.0
    key: str = ""
    pid: int | None = None
    queue: str = ""
    attempts: Sequence[Attempt] = ()

    @property
    def runs(self) -> int:
        """How often it was claimed, as the rows say."""
        # Only a final row of this generation, or a running one, holds a run that has no record of its own.
        return len(self.attempts) + (self.started_at is not None)

    @property
    def starts(self) -> list[float]:
        """When each of these was claimed."""
        return [a.started_at for a in self.attempts] + ([] if self.started_at is None else [self.started_at])


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known about one fault test. Tasks of unknown origin in ``rows`` are judged, too.

    ``offset`` added to a call's time is the database's clock then.
    """

    calls: Sequence[Call]
    ledger: Sequence[Effect]
    rows: Sequence[Row]
    offset: float = 0.0

    @property
    def outcomes(self) -> Counter[str]:
        """How the recorded runs ended, all but those that a row itself still holds."""
        return Counter(attempt.outcome for row in self.rows for attempt in row.attempts)

    def longest_wait(self) -> float:
        """The most seconds from a task's creation to its first start."""
        begun: dict[str, float] = {}
        for effect in self.ledger:
            begun.setdefault(effect.task_id, effect.at)
        return max(begun[row.id] - row.created_at for row in self.rows)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, and where."""

    rule: str
    about: str
    detail: str
