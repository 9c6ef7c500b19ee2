"""The events of one task, in an order that every process derives alike: from its row, and the numbers its runs give.

A *step* is a state the task stood in during its current generation: waiting, running, waiting again … final. Steps
are numbered from 1 in that order; running ones are even. What a run says stands behind its step, numbered by the run:
pieces of output, and notes of progress since the last piece. So a place in the events is
``generation-step-piece-note``; no store need remember it, and none can forget it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import Task
from shared.domain.verdict import TaskError

FORM = re.compile(r"(\d{1,9})-(\d{1,9})-(\d{1,15})-(\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a reader stands: behind this event. The default is before all."""

    generation: int = 0
    step: int = 0
    piece: int = 0
    note: int = 0

    def __str__(self) -> str:
        return f"{self.generation}-{self.step}-{self.piece}-{self.note}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError, where ``text`` is no place."""
        found = FORM.fullmatch(text)
        if found is None:
            raise ValueError("not the id of an event")
        return cls(*(int(number) for number in found.groups()))

    def at(self, piece: int, note: int = 0) -> Place:
        return Place(self.generation, self.step, piece, note)

    @property
    def said(self) -> tuple[int, int]:
        """The part that the run itself has numbered."""
        return self.piece, self.note

    def is_in(self, step: Place) -> bool:
        """Whether this is a place among what was said in ``step``."""
        return (self.generation, self.step) == (step.generation, step.step)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. ``data`` is plain, or JSON already; without an ``id`` it moves nobody's place."""

    id: str
    name: str
    data: Mapping[str, Any] | bytes


@dataclass(frozen=True, slots=True)
class PastRun:
    """A recorded run; ``version`` is the row's, just before the run was ended."""

    version: int
    attempt: int
    started_at: datetime
    finished_at: datetime
    outcome: AttemptOutcome
    error: TaskError | None


@dataclass(frozen=True, slots=True)
class Step:
    """A state the task stood in since ``since``, if that is known; of a running one ``run_started_at`` names the run.

    ``ended`` is the run that led here, where one did and another may follow.
    """

    place: Place
    status: Status
    attempt: int
    since: datetime | None
    run_started_at: datetime | None = None
    ended: PastRun | None = None


def steps_of(task: Task, past: Sequence[PastRun]) -> list[Step]:
    """The steps of the task's generation. ``past``: its recorded runs, oldest first.

    A row never changes what it says of the past, so the list only grows at its end.
    """
    generation = task.generation
    is_ended_by_last = bool(past) and task.status.is_final and task.version == past[-1].version + 1
    first = task.status if task.status is Status.SCHEDULED and not past else Status.PENDING
    steps = [Step(Place(generation, 1), first, 0, task.created_at if generation == 1 else None)]
    for number, run in enumerate(past, 1):
        steps.append(_running(Place(generation, 2 * number), run.attempt, run.started_at))
        if run is not past[-1] or not is_ended_by_last:
            after = Place(generation, 2 * number + 1)
            steps.append(Step(after, Status.RETRYING, run.attempt, run.finished_at, ended=run))
    if task.status.is_waiting:
        return steps
    if task.started_at is not None:
        steps.append(_running(Place(generation, 2 * len(past) + 2), task.attempt, task.started_at))
    if task.status.is_final:
        place = Place(generation, steps[-1].place.step + 1)
        steps.append(Step(place, task.status, task.attempt, task.finished_at or task.updated_at))
    return steps


def _running(place: Place, attempt: int, started_at: datetime) -> Step:
    return Step(place, Status.PROCESSING, attempt, started_at, run_started_at=started_at)
