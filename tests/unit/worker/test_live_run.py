"""What a handler says through its run, made fit for everybody's flush; and types a worker cannot serve."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definition import TaskModel, task
from shared.domain.ids import new_id
from shared.domain.run import Run
from shared.domain.task import ClaimedTask, Progress
from shared.registry import Registry
from worker.context import LiveRun
from worker.handlers import lacking_types
from worker.live_board import LiveBoard


@dataclass
class Heard:
    """Stands in for the board and the outlet of the run: keeps what it is told."""

    said: list[Progress] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    runs: list[ClaimedTask] = field(default_factory=list)

    def outlet(self, task: ClaimedTask) -> Heard:
        self.runs.append(task)
        return self

    def progress(self, progress: Progress) -> None:
        self.said.append(progress)

    def output(self, delta: str) -> None:
        self.pieces.append(delta)


def live(heard: Heard, attempt: int = 2, generation: int = 3) -> LiveRun:
    now = datetime.now(UTC)
    claimed = ClaimedTask(
        id=new_id(),
        tenant_id=1,
        type="shout",
        queue="demo_tasks",
        priority=5,
        input={},
        lease=uuid4(),
        attempt=attempt,
        max_attempts=4,
        generation=generation,
        timeout=1.0,
        created_at=now,
        started_at=now,
        request_id=None,
        traceparent=None,
    )
    nothing: Any = None
    return LiveRun(
        claimed, cast("LiveBoard", heard), ai=nothing, files=lambda _: nothing, mail=nothing, stats=lambda _: nothing
    )


@given(st.floats() | st.integers(-(10**6), 10**6))
def test_progress_is_always_a_percentage(percent: float) -> None:
    heard = Heard()
    live(heard).progress(percent)
    [progress] = heard.said
    assert 0.0 <= progress.percent <= 100.0
    if 0 <= percent <= 100:
        assert progress.percent == pytest.approx(percent, abs=0.005)


@pytest.mark.parametrize(
    ("said", "shown"), [(math.nan, 0.0), (math.inf, 100.0), (-math.inf, 0.0), (-1, 0.0), (101, 100.0), (33.333, 33.33)]
)
def test_progress_out_of_range_is_brought_into_it(said: float, shown: float) -> None:
    heard = Heard()
    live(heard).progress(said)
    assert heard.said[0].percent == shown


@given(st.text(st.characters(exclude_categories=()), max_size=2_000))
def test_a_message_can_be_stored_and_is_short(message: str) -> None:
    heard = Heard()
    live(heard).progress(1, message)
    kept = heard.said[0].message
    assert len(kept) <= 500
    assert "\x00" not in kept
    kept.encode()


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_an_emitted_piece_can_be_sent_whatever_it_holds(delta: str) -> None:
    heard = Heard()
    live(heard).emit(delta)
    [piece] = heard.pieces
    piece.encode()


def test_an_empty_piece_is_no_piece() -> None:
    heard = Heard()
    live(heard).emit("")
    assert (heard.pieces, heard.runs) == ([], [])


def test_the_last_word_is_kept_for_the_row_and_told_under_this_run() -> None:
    heard = Heard()
    run = live(heard)
    assert run.last_progress is None
    assert not run.has_said_anything
    run.progress(10, "a")
    run.progress(20, "b")
    assert run.last_progress is not None
    assert (run.last_progress.percent, run.last_progress.message) == (20.0, "b")
    assert run.has_said_anything
    assert [(task.id, task.generation, task.attempt) for task in heard.runs] == [(run.task_id, 3, 2)]


def test_every_attempt_of_a_generation_has_the_same_idempotency_key() -> None:
    run = live(Heard())
    assert run.idempotency_key == f"{run.task_id}-3"
    assert (run.attempt, run.max_attempts, run.cancelled) == (2, 4, False)


class Nothing(TaskModel):
    pass


async def nothing(run: Run, given: Nothing) -> Nothing:
    return given


def test_a_worker_lacks_the_types_whose_needs_it_cannot_meet() -> None:
    registry = Registry(
        [
            task(type="free")(nothing),
            task(type="thinks", requires=("ai",))(nothing),
            task(type="thinks_and_mails", requires=("mail", "ai"))(nothing),
        ]
    )
    assert lacking_types(registry, {}) == {}
    assert lacking_types(registry, {"ai": "no model"}) == {"thinks": "no model", "thinks_and_mails": "no model"}
    assert lacking_types(registry, {"mail": "no server"}) == {"thinks_and_mails": "no server"}
    assert lacking_types(registry, {"gpu": "no card"}) == {}
