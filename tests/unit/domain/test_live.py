"""The order of a task's events: derived from the row and its recorded runs, the same at every look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import new_id
from shared.domain.live import PastRun, Place, Step, steps_of
from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import Task

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW = Task(
    id=new_id(),
    tenant_id=1,
    type="recite",
    queue="demo_tasks",
    priority=5,
    status=Status.PENDING,
    version=1,
    attempt=0,
    max_attempts=4,
    generation=1,
    cancel_requested=False,
    input={},
    result=None,
    error=None,
    progress=None,
    tags=[],
    metadata={},
    timeout=1.0,
    worker_id=None,
    created_at=BEGAN,
    updated_at=BEGAN,
    run_at=BEGAN,
    expires_at=None,
    started_at=None,
    finished_at=None,
    request_id=None,
    traceparent=None,
)


class Row:
    """A row and its recorded runs, moved as the statements move them."""

    def __init__(self) -> None:
        self.task = NEW
        self.past: list[PastRun] = []
        self._now = BEGAN

    def move(self, how: str) -> None:
        """Does nothing where the state forbids it."""
        self._now += timedelta(seconds=1)
        task = self.task
        match how, task.status:
            case "claim", Status.PENDING | Status.RETRYING:
                self._become(Status.PROCESSING, attempt=task.attempt + 1, started_at=self._now)
            case "ask to cancel", Status.PROCESSING:
                self._become(Status.PROCESSING, cancel_requested=True)
            case "retry", Status.PROCESSING:
                self._record(AttemptOutcome.RETRIED)
                self._become(Status.CANCELLED if task.cancel_requested else Status.RETRYING, started_at=None)
            case "lose", Status.PROCESSING:
                self._record(AttemptOutcome.LOST)
                after = Status.CANCELLED if task.cancel_requested else Status.RETRYING
                self._become(after, attempt=task.attempt - 1, started_at=None)
            case "complete", Status.PROCESSING:
                self._become(Status.COMPLETED, finished_at=self._now)
            case "cancel", Status.PENDING | Status.RETRYING:
                self._become(Status.CANCELLED, finished_at=self._now)

    def _become(self, status: Status, **changes: Any) -> None:
        self.task = self.task._replace(status=status, version=self.task.version + 1, **changes)

    def _record(self, outcome: AttemptOutcome) -> None:
        task = self.task
        assert task.started_at is not None
        self.past.append(PastRun(task.version, task.attempt, task.started_at, self._now, outcome, None))


def places(steps: list[Step]) -> list[tuple[str, Status, datetime | None]]:
    return [(str(step.place), step.status, step.run_started_at) for step in steps]


MOVES = ["claim", "ask to cancel", "retry", "lose", "complete", "cancel"]


@given(st.lists(st.sampled_from(MOVES), max_size=24))
def test_what_was_once_told_is_told_alike_for_ever(moves: list[str]) -> None:
    row, before = Row(), places(steps_of(NEW, []))
    for move in moves:
        row.move(move)
        now = places(steps_of(row.task, row.past))
        assert now[: len(before)] == before, move
        assert now[-1][1] is row.task.status
        before = now


@given(st.lists(st.sampled_from(MOVES), max_size=24))
def test_places_only_rise_and_running_ones_are_even(moves: list[str]) -> None:
    row = Row()
    for move in moves:
        row.move(move)
    steps = steps_of(row.task, row.past)
    assert all(one.place < other.place for one, other in pairwise(steps))
    running = [step for step in steps if step.run_started_at is not None]
    assert all(step.status is Status.PROCESSING and step.place.step % 2 == 0 for step in running)


def test_the_steps_of_a_task_that_was_retried_once() -> None:
    row = Row()
    for move in ("claim", "retry", "claim", "complete"):
        row.move(move)
    told = [(str(step.place), step.status, step.attempt) for step in steps_of(row.task, row.past)]
    assert told == [
        ("1-1-0-0", Status.PENDING, 0),
        ("1-2-0-0", Status.PROCESSING, 1),
        ("1-3-0-0", Status.RETRYING, 1),
        ("1-4-0-0", Status.PROCESSING, 2),
        ("1-5-0-0", Status.COMPLETED, 2),
    ]


def test_a_task_that_was_never_due_is_scheduled_and_may_be_cancelled() -> None:
    scheduled = NEW._replace(status=Status.SCHEDULED)
    assert [step.status for step in steps_of(scheduled, [])] == [Status.SCHEDULED]
    cancelled = NEW._replace(status=Status.CANCELLED, version=2, finished_at=BEGAN)
    assert [(str(s.place), s.status) for s in steps_of(cancelled, [])] == [
        ("1-1-0-0", Status.PENDING),
        ("1-2-0-0", Status.CANCELLED),
    ]


@given(st.builds(Place, *(st.integers(0, 10**9 - 1) for _ in range(4))))
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("text", ["", "1", "1-2-3", "1-2-3-4-5", "a-b-c-d", "-1-2-3-4", "1-2-3-x", "1-2-3-4\n"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        Place.parse(text)
