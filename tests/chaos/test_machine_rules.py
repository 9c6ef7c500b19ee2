"""The rules that judge two sightings of a task: each one sees what it is there to see, and leaves the lawful alone."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from shared.domain.states import AttemptOutcome, Status
from shared.domain.verdict import TaskError, completed, failed, released
from tests.support.model import ModelTask, Run, Seen, violations

WORKER, LEASE, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
NEW = ModelTask(max_attempts=2)
RUNNING = NEW.claimed(WORKER, LEASE)
WAITS_AGAIN = RUNNING.settled(LEASE, released())
DONE = RUNNING.settled(LEASE, completed('"mine"'))
FAILED = RUNNING.settled(LEASE, failed(TaskError("Fatal", "it broke", retryable=False)))


def seen(task: ModelTask, **planted: object) -> Seen:
    return replace(task.seen(), **planted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NEW, RUNNING),
        (RUNNING, WAITS_AGAIN),
        (WAITS_AGAIN, WAITS_AGAIN.claimed(WORKER, OTHER)),
        (RUNNING, DONE),
        (RUNNING, RUNNING.cancelled()),
        (FAILED, FAILED.retried()),
        (DONE, DONE),
    ],
)
def test_lawful_ways_are_left_alone(before: ModelTask, after: ModelTask) -> None:
    assert violations(before.seen(), after.seen()) == []


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (DONE, seen(DONE, result="another's"), "a second end of one generation"),
        (DONE, seen(FAILED, version=DONE.version + 1), "a second end of one generation"),
        (DONE, seen(NEW, version=4, generation=2, past=(DONE.seen().last,)), "a generation began by itself"),
        (RUNNING, seen(RUNNING, generation=2, version=3), "a generation began by itself"),
        (RUNNING, seen(RUNNING, lease=OTHER, version=3), "a run changed hands without its record"),
        (NEW, seen(DONE, version=2), "an illegal move"),
        (NEW, seen(RUNNING, version=1), "a change that no version counts"),
        (RUNNING, seen(WAITS_AGAIN, version=1), "the version went back"),
        (RUNNING.cancelled(), seen(RUNNING, version=4), "a cancel request was forgotten"),
        (RUNNING, seen(WAITS_AGAIN, cancel_requested=True), "a 202 that waits to run again"),
        (RUNNING, seen(DONE, lease=LEASE), "a lease without a run, or a run without a lease"),
        (RUNNING, seen(WAITS_AGAIN, attempt=-1), "an attempt was given back twice"),
        (NEW, seen(RUNNING, attempt=3), "more attempts than allowed"),
        (NEW, seen(RUNNING, worker=None), "a run without its record"),
        (
            WAITS_AGAIN,
            seen(WAITS_AGAIN, version=4, past=(Run(1, 1, AttemptOutcome.LOST),)),
            "the record of a run was rewritten",
        ),
        (
            RUNNING,
            seen(
                RUNNING, version=9, past=(Run(1, 1, AttemptOutcome.RETRIED),) * 2 + (Run(1, 2, AttemptOutcome.RETRIED),)
            ),
            "more attempts than allowed",
        ),
    ],
)
def test_a_planted_wrong_is_seen(before: ModelTask, after: Seen, wrong: str) -> None:
    found = violations(before.seen(), after)
    assert wrong in found


def test_a_completed_task_is_never_retried() -> None:
    assert DONE.retried() is DONE
    assert DONE.status is Status.COMPLETED
