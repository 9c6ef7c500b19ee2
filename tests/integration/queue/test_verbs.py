"""The verbs on the real stores: one guarded statement each, and the database as referee."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.domain.errors import Conflict, NotFound
from shared.domain.ids import new_id
from shared.domain.states import MOVES, STORED, AttemptOutcome, Status
from shared.domain.task import ClaimedTask, NewTask, Task, TaskFilter
from shared.domain.verdict import TaskError, cancelled, completed, failed, released, retried
from shared.metrics import TASKS_ENDED
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.lookup import get_task, list_attempts, list_tasks, wait_final
from shared.queue.retry import retry
from shared.queue.settle import Settled, Settlement, expire, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit

Planned = Callable[..., NewTask]
ERROR = TaskError("RuntimeError", "it broke", retryable=True)


async def submitted(stores: Stores, planned: Planned, **given: object) -> Task:
    return (await submit(stores, 1, [planned(**given)]))[0]


async def claimed(stores: Stores, who: Claimant, task: Task) -> ClaimedTask:
    [owned] = await claim_hinted(stores, who, [task.id])
    return owned


async def ended(stores: Stores, run: ClaimedTask, verdict: object) -> Settled | None:
    return (await settle(stores, [Settlement(1, run.id, run.lease, verdict, None)]))[0]  # type: ignore[arg-type]


async def test_a_task_runs_from_pending_to_completed(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned, tags=["a", "b"], metadata={"k": "v"})
    assert task.status is Status.PENDING
    stored = await get_task(stores, 1, task.id)
    assert stored == task
    run = await claimed(stores, claimant, task)
    assert run.attempt == 1
    assert (await get_task(stores, 1, task.id)).status is Status.PROCESSING
    done = await ended(stores, run, completed('{"result": 3}'))
    assert done is not None
    assert (done.status, done.version) == (Status.COMPLETED, 3)
    stored = await get_task(stores, 1, task.id)
    assert (stored.status, stored.result, stored.duration) == (Status.COMPLETED, {"result": 3}, done.duration)


async def test_every_field_comes_back_in_order_from_a_batch(stores: Stores, planned: Planned) -> None:
    tasks = [planned(priority=n % 10, tags=[f"t{n}"], input={"n": n}) for n in range(300)]
    stored = await submit(stores, 1, tasks)
    assert [t.id for t in stored] == [t.id for t in tasks]
    assert (await get_task(stores, 1, tasks[7].id)).input == {"n": 7}


SOON = datetime(2031, 5, 6, 7, 8, 9, 123_457, tzinfo=UTC)
GIVEN: list[dict[str, Any]] = [
    {},
    {"tags": ["a", "b"], "metadata": {"k": "v"}, "limits": "key:one"},
    {"expires_at": SOON, "request_id": "one", "traceparent": "00-1-2-03"},
    *({"delay": delay} for delay in (60.000_001, 3_600.25, 86_400.1, 1_234_567.654_321, 316_224_000.0)),
    *({"run_at": run_at} for run_at in (SOON, SOON - timedelta(days=3_650))),
]


@pytest.mark.parametrize("copies", [1, 20], ids=["in a shared write", "in one of its own"])
@pytest.mark.parametrize("unique_key", [None, b"one"], ids=["without a key", "with one"])
async def test_a_submit_answers_what_the_rows_say(
    stores: Stores, planned: Planned, copies: int, unique_key: bytes | None
) -> None:
    tasks = [planned(**given) for given in GIVEN * copies]
    tasks[0] = tasks[0]._replace(unique_key=unique_key)
    stored = await submit(stores, 1, tasks)
    assert [task.id for task in stored] == [task.id for task in tasks]
    assert stored[: len(GIVEN)] == [await get_task(stores, 1, task.id) for task in tasks[: len(GIVEN)]]
    assert {task.created_at for task in stored} == {stored[0].created_at}


async def test_two_claims_never_own_the_same_task(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned)
    await claimed(stores, claimant, task)
    assert await claim_hinted(stores, claimant, [task.id]) == []
    assert await claim_next(stores, claimant, 10) == []


async def test_a_late_worker_cannot_overwrite_the_next_attempt(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    task = await submitted(stores, planned)
    first = await claimed(stores, claimant, task)
    assert await ended(stores, first, released()) is not None
    second = await claimed(stores, claimant, task)
    assert second.lease != first.lease
    assert await ended(stores, first, completed('"stale"')) is None
    assert (await get_task(stores, 1, task.id)).status is Status.PROCESSING


@pytest.mark.parametrize("order", [1, -1], ids=["the repeat first", "the repeat last"])
async def test_a_repeated_end_beside_that_of_the_next_run_is_not_taken_for_it(
    stores: Stores, planned: Planned, claimant: Claimant, order: int
) -> None:
    """The reply to the first end was lost; until it is asked for again the task has run here once more."""
    task = await submitted(stores, planned)
    first = await claimed(stores, claimant, task)
    assert await ended(stores, first, released()) is not None
    second = await claimed(stores, claimant, task)
    other = await claimed(stores, claimant, await submitted(stores, planned))
    ends = [(first, released()), (second, completed("2")), (other, completed("3"))][::order]
    told = await settle(stores, [Settlement(1, run.id, run.lease, verdict, None) for run, verdict in ends])
    assert [now and (now.id, now.status) for now in told][::order] == [
        None,
        (task.id, Status.COMPLETED),
        (other.id, Status.COMPLETED),
    ]
    assert (await get_task(stores, 1, task.id)).result == 2


async def test_a_retried_task_waits_for_its_backoff_and_keeps_the_record(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    task = await submitted(stores, planned)
    run = await claimed(stores, claimant, task)
    waiting = await ended(stores, run, retried(ERROR, timedelta(hours=1)))
    assert waiting is not None
    assert waiting.status is Status.RETRYING
    assert waiting.delay == 3_600
    assert await claim_next(stores, claimant, 10) == []
    [attempt] = await list_attempts(stores, 1, task.id)
    assert (attempt.outcome, attempt.attempt, attempt.error) == (AttemptOutcome.RETRIED, 1, ERROR)


async def test_a_released_run_costs_no_attempt(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned)
    await ended(stores, await claimed(stores, claimant, task), released())
    again = await claimed(stores, claimant, task)
    assert again.attempt == 1
    outcomes = [a.outcome for a in await list_attempts(stores, 1, task.id)]
    assert outcomes == [AttemptOutcome.RELEASED, AttemptOutcome.RUNNING]


async def test_a_waiting_task_is_cancelled_at_once(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned)
    assert (await cancel(stores, 1, task.id)).status is Status.CANCELLED
    assert await claim_hinted(stores, claimant, [task.id]) == []
    with pytest.raises(Conflict):
        await cancel(stores, 1, task.id)


async def test_a_cancel_request_is_sticky_through_a_retry(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned)
    run = await claimed(stores, claimant, task)
    asked = await cancel(stores, 1, task.id)
    assert (asked.status, asked.cancel_requested) == (Status.PROCESSING, True)
    ended_as = await ended(stores, run, retried(ERROR, timedelta(0)))
    assert ended_as is not None
    assert ended_as.status is Status.CANCELLED


async def test_a_person_sends_a_failed_task_back_with_a_new_generation(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    task = await submitted(stores, planned)
    await ended(stores, await claimed(stores, claimant, task), failed(ERROR))
    again = await retry(stores, 1, task.id)
    assert (again.status, again.generation, again.attempt, again.error) == (Status.PENDING, 2, 0, None)
    with pytest.raises(Conflict):
        await retry(stores, 1, task.id)
    await ended(stores, await claimed(stores, claimant, task), cancelled())
    attempts = await list_attempts(stores, 1, task.id)
    assert [(a.generation, a.attempt, a.outcome) for a in attempts] == [
        (1, 1, AttemptOutcome.FAILED),
        (2, 1, AttemptOutcome.CANCELLED),
    ]


async def test_a_delayed_task_is_scheduled_and_not_claimable(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    task = await submitted(stores, planned, delay=3600.0)
    assert task.status is Status.SCHEDULED
    assert await claim_hinted(stores, claimant, [task.id]) == []
    scheduled, _ = await list_tasks(stores, 1, TaskFilter(statuses=(Status.SCHEDULED,)), limit=10)
    assert [t.id for t in scheduled] == [task.id]
    assert await list_tasks(stores, 1, TaskFilter(statuses=(Status.PENDING,)), limit=10) == ([], False)


async def test_an_expired_task_fails_and_is_never_claimed(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    task = await submitted(stores, planned, expires_at=past)
    assert await claim_next(stores, claimant, 10) == []
    failed_so_far = TASKS_ENDED.counts[(task.type, task.queue, "FAILED")]
    assert await expire(stores) == 1
    assert TASKS_ENDED.counts[(task.type, task.queue, "FAILED")] == failed_so_far + 1
    stored = await get_task(stores, 1, task.id)
    assert stored.status is Status.FAILED
    assert stored.error is not None
    assert stored.error.type == "expired"


async def test_however_many_tasks_expire_all_of_them_fail_in_one_turn(stores: Stores, planned: Planned) -> None:
    past = datetime.now(UTC) - timedelta(seconds=5)
    await submit(stores, 1, [planned(expires_at=past) for _ in range(8)])
    waiting = await submitted(stores, planned)
    assert await expire(stores, most=3) == 8
    assert await expire(stores, most=3) == 0
    assert (await get_task(stores, 1, waiting.id)).status is Status.PENDING


async def test_the_poll_takes_queues_then_priorities_in_order(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    tasks = [
        planned(queue="demo_tasks", priority=0),
        planned(queue="urgent", priority=9),
        planned(queue="ai_processing", priority=3),
        planned(queue="urgent", priority=1),
    ]
    await submit(stores, 1, tasks)
    first = await claim_next(stores, claimant, 3)
    assert {t.id for t in first} == {tasks[3].id, tasks[1].id, tasks[2].id}
    assert [t.id for t in await claim_next(stores, claimant, 3)] == [tasks[0].id]


async def test_a_paused_queue_gives_nothing_out(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned)
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO queues (tenant_id, name, paused) VALUES (1, 'demo_tasks', true)"))
    assert await claim_hinted(stores, claimant, [task.id]) == []
    assert await claim_next(stores, claimant, 1) == []


async def test_a_worker_claims_only_types_it_can_run(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned, type="something_else")
    assert await claim_next(stores, claimant, 1) == []
    assert await claim_hinted(stores, claimant, [task.id]) == []


async def test_another_tenant_sees_nothing(stores: Stores, planned: Planned) -> None:
    task = await submitted(stores, planned)
    for verb in (get_task, cancel, retry, list_attempts):
        with pytest.raises(NotFound):
            await verb(stores, 2, task.id)
    assert await list_tasks(stores, 2, TaskFilter(), limit=10) == ([], False)


async def test_lists_page_from_newest_to_oldest(stores: Stores, planned: Planned) -> None:
    tasks = await submit(stores, 1, [planned(type="simple_calculation") for _ in range(5)])
    page, has_more = await list_tasks(stores, 1, TaskFilter(types=("simple_calculation",)), limit=3)
    rest, is_not_all = await list_tasks(stores, 1, TaskFilter(), limit=3, before=page[-1].id)
    assert [t.id for t in [*page, *rest]] == [t.id for t in reversed(tasks)]
    assert (has_more, is_not_all) == (True, False)


async def test_a_wait_ends_as_soon_as_the_task_does(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    task = await submitted(stores, planned)
    assert not (await wait_final(stores, 1, task.id, 0.01)).status.is_final
    run = await claimed(stores, claimant, task)
    await ended(stores, run, completed("1"))
    assert (await wait_final(stores, 1, task.id, 30)).status is Status.COMPLETED


@pytest.mark.parametrize("source", sorted(STORED))
@pytest.mark.parametrize("target", sorted(STORED))
async def test_the_database_refuses_every_move_the_domain_does(
    stores: Stores, planned: Planned, source: Status, target: Status
) -> None:
    task_id: UUID = new_id()
    await submit(stores, 1, [planned(id=task_id)])
    path = {
        Status.PENDING: [],
        Status.PROCESSING: [Status.PROCESSING],
        Status.RETRYING: [Status.PROCESSING, Status.RETRYING],
        Status.COMPLETED: [Status.PROCESSING, Status.COMPLETED],
        Status.FAILED: [Status.PROCESSING, Status.FAILED],
        Status.CANCELLED: [Status.CANCELLED],
    }[source]
    for step in path:
        await _force(stores, task_id, step)
    if source is target or target in MOVES[source]:
        await _force(stores, task_id, target)
    else:
        with pytest.raises(IntegrityError, match="may not become"):
            await _force(stores, task_id, target)


async def _force(stores: Stores, task_id: UUID, status: Status) -> None:
    statement = text("""
        UPDATE tasks SET status = :status,
            lease = CASE WHEN :status = 'PROCESSING' THEN gen_random_uuid() END,
            finished_at = CASE WHEN :status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN now() END
        WHERE id = :id
    """)
    async with stores.db.transaction() as session:
        await session.execute(statement, {"id": task_id, "status": status.value})
