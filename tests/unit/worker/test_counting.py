"""What is counted of a run, once its settle was written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.domain.states import Status
from shared.domain.task import ClaimedTask
from shared.domain.verdict import TaskError, Verdict, completed, failed, retried
from shared.metrics import RUNS_ENDED, TASK_RUN, TASK_WAIT, TASKS_ENDED, TASKS_FENCED, TASKS_POISONED
from shared.queue.settle import Settled
from shared.registry import discover
from worker.counting import count_run, expect_types

AT = datetime(2026, 1, 1, tzinfo=UTC)
TYPE = "counted_here"
OF = (TYPE, "urgent")


@pytest.fixture(autouse=True)
def counted_from_nothing() -> Iterator[None]:
    yield
    tallies = (RUNS_ENDED.counts, TASKS_ENDED.counts)
    for counts in (*tallies, TASK_WAIT.counts, TASK_WAIT.sums, TASK_RUN.counts, TASK_RUN.sums):
        for labels in [labels for labels in counts if labels[0] == TYPE]:
            del counts[labels]


def run(attempt: int = 1) -> ClaimedTask:
    return ClaimedTask(
        id=uuid4(),
        tenant_id=1,
        type=TYPE,
        queue="urgent",
        priority=5,
        input={},
        lease=uuid4(),
        attempt=attempt,
        max_attempts=4,
        generation=1,
        timeout=60.0,
        created_at=AT - timedelta(hours=1),
        run_at=AT,
        started_at=AT + timedelta(seconds=2),
        request_id=None,
        traceparent=None,
    )


def settled(verdict: Verdict, duration: float) -> Settled:
    return Settled(uuid4(), verdict.status, 3, 1, 1, "urgent", 5, 0.0, duration)


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(completed("{}"), "completed"), (failed(TaskError("poison", "it kills", retryable=False)), "poison")],
    ids=["completed", "poison"],
)
def test_a_run_is_counted_with_what_it_came_to(verdict: Verdict, outcome: str) -> None:
    assert verdict.status in Status
    count_run(run(), verdict, settled(verdict, 0.5))
    count_run(run(attempt=2), verdict, settled(verdict, 1.5))
    assert RUNS_ENDED.counts[(*OF, outcome)] == 2
    assert TASKS_ENDED.counts[(*OF, verdict.status.value)] == 2
    assert TASK_RUN.sums[OF] == 2.0
    assert TASK_WAIT.sums[OF] == 4.0, "each attempt waited since it was due, and not since submit"


def test_poison_is_counted_by_itself() -> None:
    before = TASKS_POISONED.counts[()]
    verdict = failed(TaskError("poison", "it kills", retryable=False))
    count_run(run(), verdict, settled(verdict, 0.5))
    assert TASKS_POISONED.counts[()] == before + 1


def test_a_run_that_another_follows_ended_no_task() -> None:
    verdict = retried(TaskError("other", "again", retryable=True), timedelta(seconds=1))
    count_run(run(), verdict, settled(verdict, 0.5))
    assert RUNS_ENDED.counts[(*OF, "retried")] == 1
    assert not any(labels[0] == TYPE for labels in TASKS_ENDED.counts)


def test_the_types_a_worker_knows_are_told_before_any_task_ended() -> None:
    registry = discover()
    expect_types(registry)
    for definition in registry:
        assert {(definition.type, definition.queue, "COMPLETED"), (definition.type, definition.queue, "FAILED")} <= set(
            TASKS_ENDED.counts
        )


def test_a_run_that_lost_its_lease_counts_as_fenced_alone() -> None:
    before = TASKS_FENCED.counts[()]
    count_run(run(), completed("{}"), None)
    assert TASKS_FENCED.counts[()] == before + 1
    assert not any(labels[0] == TYPE for labels in RUNS_ENDED.counts)
