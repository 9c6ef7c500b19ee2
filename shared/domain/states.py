"""The states of a task and the moves between them.

Stored states, and how a task leaves each:

    PENDING     waiting for a worker; a claim takes it, a cancel or its expiry ends it
    RETRYING    waiting for its backoff after an attempt; leaves as PENDING does
    PROCESSING  owned by the holder of its lease; settled by that holder, or taken back when it is lost
    COMPLETED   final, for good
    FAILED      final; a person may send it back to PENDING (generation + 1)
    CANCELLED   final; a person may send it back to PENDING (generation + 1)

SCHEDULED is not stored: it is how a PENDING task whose ``run_at`` lies in the future is shown.
The database holds the same table in a trigger (see the first migration).
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """A task's status as API readers see it."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    RETRYING = "RETRYING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        return self in FINAL

    @property
    def is_waiting(self) -> bool:
        return self in WAITING


STORED = frozenset(Status) - {Status.SCHEDULED}
WAITING = frozenset({Status.SCHEDULED, Status.PENDING, Status.RETRYING})
FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.CANCELLED, Status.FAILED}),
    Status.RETRYING: frozenset({Status.PROCESSING, Status.CANCELLED, Status.FAILED}),
    Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.RETRYING}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset({Status.PENDING}),
}


class AttemptOutcome(StrEnum):
    """How one run of a task ended; ``RUNNING`` is the one still under way."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRIED = "retried"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RELEASED = "released"
    LOST = "lost"
