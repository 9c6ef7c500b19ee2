"""A task's life as a few pure moves, and the rules any life keeps: what the real stores are held to.

``ModelTask`` restates the protocol without SQL, clock or lock; ``violations`` knows none of its moves
and judges two sightings of a row by the guarantees alone. Only ``observe`` touches a store, to read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy import text

from shared.domain.states import MOVES, AttemptOutcome, Status
from shared.domain.verdict import Verdict
from shared.queue.stores import Stores

FREE = frozenset({AttemptOutcome.LOST, AttemptOutcome.RELEASED})
"""Ends of runs that cost no attempt."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task, ended or under way."""

    generation: int
    attempt: int
    outcome: AttemptOutcome


@dataclass(frozen=True, slots=True)
class Seen:
    """What a row and its attempts say. ``past`` holds the runs another may follow, ``last`` the row's own."""

    status: Status
    version: int
    attempt: int
    max_attempts: int
    generation: int
    losses: int
    crashes: int
    cancel_requested: bool
    lease: UUID | None
    worker: UUID | None
    past: tuple[Run, ...]
    last: Run | None
    result: object

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them, oldest first."""
        return self.past if self.last is None else (*self.past, self.last)


@dataclass(frozen=True, slots=True)
class ModelTask:
    """One task. A move whose guard does not hold returns the task as it is."""

    max_attempts: int
    status: Status = Status.PENDING
    version: int = 1
    attempt: int = 0
    generation: int = 1
    losses: int = 0
    crashes: int = 0
    cancel_requested: bool = False
    lease: UUID | None = None
    worker: UUID | None = None
    outcome: AttemptOutcome | None = None
    past: tuple[Run, ...] = ()
    result: object = None
    is_due: bool = True
    expiry: Literal["none", "ahead", "past"] = "none"

    @property
    def is_claimable(self) -> bool:
        return self.status.is_waiting and self.is_due and self.expiry != "past"

    def seen(self) -> Seen:
        return Seen(
            status=self.status,
            version=self.version,
            attempt=self.attempt,
            max_attempts=self.max_attempts,
            generation=self.generation,
            losses=self.losses,
            crashes=self.crashes,
            cancel_requested=self.cancel_requested,
            lease=self.lease,
            worker=self.worker,
            past=self.past,
            last=self._last(),
            result=self.result,
        )

    def claimed(self, worker: UUID, lease: UUID) -> Self:
        """By a live worker, from a queue that is not paused."""
        if not self.is_claimable:
            return self
        attempt, outcome = self.attempt + 1, AttemptOutcome.RUNNING
        return self._moved(status=Status.PROCESSING, attempt=attempt, worker=worker, lease=lease, outcome=outcome)

    def settled(self, lease: UUID, verdict: Verdict) -> Self:
        if self.lease != lease:
            return self
        counted = {"lease": None, "crashes": self.crashes + verdict.is_crash}
        if verdict.status is not Status.RETRYING:
            result = None if verdict.result is None else json.loads(verdict.result)
            return self._moved(status=verdict.status, outcome=verdict.outcome, result=result, **counted)
        return self._back(verdict.outcome, keeps_attempt=verdict.keeps_attempt, is_due=not verdict.delay, **counted)

    def taken_back(self, outcome: AttemptOutcome, *, loss: int, most_losses: int) -> Self:
        """From a worker that does not live, or does not know that it runs it."""
        if self.status is not Status.PROCESSING:
            return self
        losses = self.losses + loss
        after = self._back(outcome, keeps_attempt=False, is_due=True, lease=None, losses=losses)
        if after.status is Status.RETRYING and losses >= most_losses:
            return replace(after, status=Status.FAILED)
        return after

    def cancelled(self) -> Self:
        if self.status is Status.PROCESSING:
            return self._moved(cancel_requested=True)
        if self.status.is_waiting:
            return self._moved(cancel_requested=True, status=Status.CANCELLED)
        return self

    def retried(self) -> Self:
        if self.status not in {Status.FAILED, Status.CANCELLED}:
            return self
        last = self._last()
        return type(self)(
            self.max_attempts,
            generation=self.generation + 1,
            version=self.version + 1,
            past=self.past if last is None else (*self.past, last),
            expiry="none" if self.expiry == "past" else self.expiry,
        )

    def expired(self) -> Self:
        if self.status.is_waiting and self.expiry == "past":
            return self._moved(status=Status.FAILED)
        return self

    def _last(self) -> Run | None:
        return None if self.outcome is None else Run(self.generation, self.attempt, self.outcome)

    def _back(self, outcome: AttemptOutcome, *, keeps_attempt: bool, **changes: object) -> Self:
        """To the waiting, unless somebody asked for its end meanwhile."""
        return self._moved(
            status=Status.CANCELLED if self.cancel_requested else Status.RETRYING,
            past=(*self.past, Run(self.generation, self.attempt, outcome)),
            attempt=self.attempt if keeps_attempt else self.attempt - 1,
            outcome=None,
            worker=None,
            **changes,
        )

    def _moved(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


def violations(before: Seen | None, after: Seen) -> list[str]:
    """What is wrong with ``after``, and with the way there from ``before``; nothing, if the guarantees hold."""
    found = [wrong for wrong, is_so in _of_a_sighting(after) if is_so]
    if before is not None:
        found += [wrong for wrong, is_so in _of_a_way(before, after) if is_so]
    return found


def _of_a_sighting(row: Seen) -> list[tuple[str, bool]]:
    paid = [run for run in row.runs if run.outcome not in FREE]
    ends = [run for run in paid if run.outcome is not AttemptOutcome.RUNNING and run.generation == row.generation]
    is_running = row.status is Status.PROCESSING
    waits_cancelled = row.cancel_requested and row.status.is_waiting
    return [
        ("more attempts than allowed", row.attempt > row.max_attempts or len(ends) > row.max_attempts),
        ("an attempt was given back twice", row.attempt < 0),
        ("a lease without a run, or a run without a lease", (row.lease is not None) != is_running),
        ("a run without its record", is_running and (row.last is None or row.worker is None)),
        ("a 202 that waits to run again", waits_cancelled),
    ]


def _of_a_way(before: Seen, after: Seen) -> list[tuple[str, bool]]:
    is_same_life = after.generation == before.generation
    is_one_step = after.version == before.version + 1
    was_final = before.status.is_final
    may_live_again = before.status in {Status.FAILED, Status.CANCELLED}
    is_later_life = after.generation > before.generation
    return [
        ("the version went back", after.version < before.version),
        ("a change that no version counts", after.version == before.version and after != before),
        ("a second end of one generation", was_final and is_same_life and after != before),
        ("an illegal move", is_one_step and after.status not in {before.status, *MOVES[before.status]}),
        ("a generation began by itself", not is_same_life and not (may_live_again and is_later_life)),
        ("a cancel request was forgotten", is_same_life and before.cancel_requested and not after.cancel_requested),
        ("the record of a run was rewritten", before.past != after.past[: len(before.past)]),
        (
            "a run changed hands without its record",
            is_one_step and before.lease is not None and after.lease not in {None, before.lease},
        ),
    ]


ROWS = text("""
    SELECT t.id, t.status, t.version, t.attempt, t.max_attempts, t.generation, t.losses, t.crashes,
           t.cancel_requested, t.lease, t.worker_id AS worker, t.outcome, t.result,
           t.started_at IS NOT NULL AS has_started,
           (SELECT jsonb_agg(jsonb_build_array(a.generation, a.attempt, a.outcome) ORDER BY a.version)
            FROM attempts a WHERE a.task_id = t.id) AS past
    FROM tasks t
""")


async def observe(stores: Stores) -> dict[UUID, Seen]:
    """Every task as its row and its attempts say, in one snapshot."""
    async with stores.db.autocommit() as session:
        rows = (await session.execute(ROWS)).mappings().all()
    return {row["id"]: _seen_of(dict(row)) for row in rows}


def _seen_of(row: dict[str, Any]) -> Seen:
    del row["id"]
    outcome, past, has_started = row.pop("outcome"), row.pop("past") or [], row.pop("has_started")
    row["status"] = Status(row["status"])
    row["past"] = tuple(Run(generation, attempt, AttemptOutcome(how)) for generation, attempt, how in past)
    last = Run(row["generation"], row["attempt"], AttemptOutcome(outcome)) if has_started else None
    return Seen(**row, last=last)
