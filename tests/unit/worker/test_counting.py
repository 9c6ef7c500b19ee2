"""What is counted of a run, once its settle was written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.domain.states import Status
from shared.domain.task import ClaimedTask
from shared.domain.verdict import TaskError, Verdict, completed, failed
from shared.metrics import TASK_RUN, TASK_WAIT, TASKS_ENDED, TASKS_FENCED
from shared.queue.settle import Settled
from worker.counting import count_run

AT = datetime(2026, 1, 1, tzinfo=UTC)
TYPE = "counted_here"
OF = (TYPE, "urgent")


@pytest.fixture(autouse=True)
def counted_from_nothing() -> Iterator[None]:
    yield
    for counts in (TASKS_ENDED.counts, TASK_WAIT.counts, TASK_WAIT.sums, TASK_RUN.counts, TASK_RUN.sums):
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
        created_at=AT,
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
    assert TASKS_ENDED.counts[(*OF, outcome)] == 2
    assert TASK_RUN.sums[OF] == 2.0
    assert TASK_WAIT.sums[OF] == 2.0, "only the first attempt waited since submit"


def test_a_run_that_lost_its_lease_counts_as_fenced_alone() -> None:
    before = TASKS_FENCED.counts[()]
    count_run(run(), completed("{}"), None)
    assert TASKS_FENCED.counts[()] == before + 1
    assert not any(labels[0] == TYPE for labels in TASKS_ENDED.counts)
