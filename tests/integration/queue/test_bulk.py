"""Bulk verbs over the real stores: what they move, count and skip, in steps that anybody may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.db.statements import bulk as statements
from shared.domain.errors import Conflict, NotFound
from shared.domain.operations import BulkAction, Operation, OperationState, Selection
from shared.domain.states import Status
from shared.domain.task import NewTask, Task, TaskFilter
from shared.domain.verdict import TaskError, completed, failed
from shared.queue import bulk, survey
from shared.queue.bulk import carry_on, run_operations, step
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.lookup import get_task, list_attempts, list_tasks, wait_final
from shared.queue.operations import cancel_operation, get_operation, list_operations, prune_operations
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.support.model import observe
from tests.support.scenes.bulk import ALL, begun
from tests.support.scenes.making import execute

Planned = Callable[..., NewTask]
CANCEL, RETRY, DELETE = BulkAction.CANCEL, BulkAction.RETRY, BulkAction.DELETE
ERROR = TaskError("ValueError", "bad", retryable=False)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded machine leaves nothing to the workers that a test does not leave them."""
    monkeypatch.setattr(bulk, "OWN_SECONDS", 60.0)
    monkeypatch.setattr(bulk, "TOTAL_SECONDS", 60.0)
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 60.0)


async def one_of_each(stores: Stores, planned: Planned, who: Claimant) -> dict[Status, Task]:
    """A task in every stored state that an operation may meet."""
    names = (Status.COMPLETED, Status.FAILED, Status.PROCESSING, Status.PENDING)
    tasks = dict(zip(names, await submit(stores, 1, [planned() for _ in names]), strict=True))
    for status, verdict in ((Status.COMPLETED, completed('{"n": 1}')), (Status.FAILED, failed(ERROR))):
        [run] = await claim_hinted(stores, who, [tasks[status].id])
        await settle(stores, [Settlement(1, run.id, run.lease, verdict, None)])
    await claim_hinted(stores, who, [tasks[Status.PROCESSING].id])
    return tasks


async def status_of(stores: Stores, task: Task) -> Status:
    return (await get_task(stores, 1, task.id)).status


async def done(stores: Stores, action: BulkAction, chosen: Selection = ALL) -> Operation:
    return await carry_on(stores, await begun(stores, action, chosen))


async def test_cancel_ends_what_waits_asks_what_runs_and_skips_the_rest(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    tasks = await one_of_each(stores, planned, claimant)
    operation = await done(stores, CANCEL)
    assert (operation.state, operation.matched, operation.done) == (OperationState.DONE, 4, 2)
    assert operation.skipped == {"completed": 1, "failed": 1}
    assert await status_of(stores, tasks[Status.PENDING]) is Status.CANCELLED
    running = await get_task(stores, 1, tasks[Status.PROCESSING].id)
    assert (running.status, running.cancel_requested) == (Status.PROCESSING, True)
    assert await get_operation(stores, 1, operation.id) == operation


async def test_retry_begins_the_next_generation_and_keeps_the_record(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    tasks = await one_of_each(stores, planned, claimant)
    operation = await done(stores, RETRY)
    assert (operation.matched, operation.done) == (4, 1)
    assert operation.skipped == {"completed": 1, "processing": 1, "pending": 1}
    again = await get_task(stores, 1, tasks[Status.FAILED].id)
    assert (again.status, again.generation, again.attempt, again.error) == (Status.PENDING, 2, 0, None)
    assert [run.error for run in await list_attempts(stores, 1, again.id)] == [ERROR]
    assert again.id in {run.id for run in await claim_next(stores, claimant, 10)}


async def test_delete_removes_final_tasks_with_what_belongs_to_them(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    tasks = await one_of_each(stores, planned, claimant)
    await done(stores, RETRY, Selection(ids=(tasks[Status.FAILED].id,)))  # so that it has a record of an attempt
    await done(stores, CANCEL, Selection(ids=(tasks[Status.FAILED].id,)))
    operation = await done(stores, DELETE)
    assert (operation.matched, operation.done) == (4, 2)
    assert operation.skipped == {"processing": 1, "pending": 1}
    assert set(await observe(stores)) == {tasks[Status.PROCESSING].id, tasks[Status.PENDING].id}
    async with stores.db.autocommit() as session:
        assert (await session.execute(text("SELECT count(*) FROM attempts"))).scalar_one() == 0
    assert await stores.broker.results.keys(f"result:{tasks[Status.COMPLETED].id}") == []


async def test_the_tasks_of_a_workflow_leave_with_it(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    tasks = await one_of_each(stores, planned, claimant)
    await execute(stores, "UPDATE tasks SET workflow_id = id WHERE id = :id", id=tasks[Status.FAILED].id)
    operation = await done(stores, DELETE)
    assert (operation.done, operation.skipped) == (1, {"workflow": 1, "processing": 1, "pending": 1})
    assert tasks[Status.FAILED].id in await observe(stores)


async def test_an_operation_that_fails_does_not_hold_the_others_up(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submit(stores, 1, [planned()])
    broken, sound = await begun(stores, CANCEL), await begun(stores, CANCEL)
    take_step = statements.step

    async def stumbles(session: Any, operation: Operation, **limits: Any) -> Any:
        if operation.id == broken.id:
            raise RuntimeError("no step today")
        return await take_step(session, operation, **limits)

    monkeypatch.setattr(statements, "step", stumbles)
    await run_operations(stores)
    assert (await get_operation(stores, 1, sound.id)).state is OperationState.DONE
    assert (await get_operation(stores, 1, broken.id)).state is OperationState.RUNNING


async def test_ids_are_moved_once_each_and_those_of_nobody_are_counted(stores: Stores, planned: Planned) -> None:
    mine = await submit(stores, 1, [planned() for _ in range(3)])
    operation = await done(stores, CANCEL, Selection(ids=(mine[0].id, mine[0].id, uuid4(), mine[2].id)))
    assert (operation.total, operation.matched, operation.done) == (3, 2, 2)
    assert operation.skipped == {"not_found": 1}
    assert await status_of(stores, mine[1]) is Status.PENDING


@pytest.mark.parametrize("most", [1, 2, 100], ids=["one at a time", "two at a time", "all at once"])
@pytest.mark.parametrize("looked", [3, 100], ids=["near-sighted", "far-sighted"])
async def test_however_short_its_steps_an_operation_comes_to_every_task_once(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch, most: int, looked: int
) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", most)
    monkeypatch.setattr(bulk, "LOOKED_AT_ONCE", looked)
    monkeypatch.setattr(survey, "LOOKED_AT_ONCE", looked)
    tasks = await submit(stores, 1, [planned(tags=["odd"] if n % 2 else []) for n in range(11)])
    odd = Selection(wanted=TaskFilter(tags=("odd",)))
    counted = await survey.survey(stores, 1, CANCEL, odd)
    assert (counted.matched, counted.is_lower_bound) == (5, False)
    operation = await done(stores, CANCEL, odd)
    assert (operation.state, operation.matched, operation.done) == (OperationState.DONE, 5, 5)
    by_id = await done(stores, CANCEL, Selection(ids=tuple(task.id for task in tasks)))
    assert (by_id.matched, by_id.done, by_id.skipped) == (11, 6, {"cancelled": 5})
    assert {seen.version for seen in (await observe(stores)).values()} == {2}


async def test_a_filter_means_the_same_as_in_a_list(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await one_of_each(stores, planned, claimant)
    await submit(stores, 1, [planned(queue="urgent", tags=["a", "b"], delay=3_600.0), planned(type="unreliable_task")])
    now = datetime.now(UTC)
    for wanted in (
        TaskFilter(),
        TaskFilter(statuses=(Status.SCHEDULED,)),
        TaskFilter(statuses=(Status.PENDING, Status.FAILED)),
        TaskFilter(types=("unreliable_task",)),
        TaskFilter(queues=("urgent", "demo_tasks"), statuses=(Status.PENDING, Status.SCHEDULED)),
        TaskFilter(tags=("b", "z")),
        TaskFilter(created_before=now - timedelta(hours=1)),
        TaskFilter(created_after=now - timedelta(hours=1), created_before=now + timedelta(hours=1)),
        TaskFilter(created_after=datetime(1970, 1, 1, tzinfo=UTC)),
    ):
        listed, _ = await list_tasks(stores, 1, wanted, limit=100)
        assert (await survey.survey(stores, 1, CANCEL, Selection(wanted=wanted))).matched == len(listed), wanted
        operation = await begun(stores, DELETE, Selection(wanted=wanted))
        stored = await get_operation(stores, 1, operation.id)
        assert stored.filter == wanted
    assert len(await list_operations(stores, 1, limit=100)) == 9


async def test_a_dry_run_says_what_would_be_and_changes_nothing(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    await one_of_each(stores, planned, claimant)
    before = await observe(stores)
    for action in BulkAction:
        said = await survey.survey(stores, 1, action, ALL)
        operation_like = (said.matched, sum(said.skipped.values()))
        assert operation_like == {CANCEL: (4, 2), RETRY: (4, 3), DELETE: (4, 2)}[action]
    absent = await survey.survey(stores, 1, CANCEL, Selection(ids=(uuid4(), *before)))
    assert (absent.matched, absent.skipped["not_found"]) == (4, 1)
    assert await observe(stores) == before
    assert await list_operations(stores, 1, limit=10) == []


async def test_a_count_that_has_no_more_time_says_so(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "LOOKED_AT_ONCE", 2)
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.0)
    await submit(stores, 1, [planned() for _ in range(5)])
    counted = await survey.survey(stores, 1, CANCEL, ALL)
    assert (counted.matched, counted.is_lower_bound) == (2, True)


async def test_what_a_request_leaves_the_workers_do(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", 2)
    monkeypatch.setattr(bulk, "OWN_TASKS", 4)
    await submit(stores, 1, [planned() for _ in range(9)])
    operation = await done(stores, CANCEL)
    assert (operation.state, operation.done, operation.total) == (OperationState.RUNNING, 4, 9)
    both = await asyncio.gather(run_operations(stores), run_operations(stores))
    assert sum(both) == 3
    ended = await get_operation(stores, 1, operation.id)
    assert (ended.state, ended.matched, ended.done, ended.total) == (OperationState.DONE, 9, 9, 9)
    assert await run_operations(stores) == 0


async def test_operations_of_several_are_carried_on_together(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", 1)
    tasks = await submit(stores, 1, [planned(tags=[f"t{n % 3}"]) for n in range(9)])
    begun_ = [await begun(stores, CANCEL, Selection(wanted=TaskFilter(tags=(f"t{n}",)))) for n in range(3)]
    await run_operations(stores)
    for operation in begun_:
        assert (await get_operation(stores, 1, operation.id)).done == 3
    assert {await status_of(stores, task) for task in tasks} == {Status.CANCELLED}


async def test_a_cancelled_operation_stops_where_it_is(
    stores: Stores, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", 1)
    await submit(stores, 1, [planned() for _ in range(3)])
    operation = await begun(stores, CANCEL, Selection(ids=tuple(await observe(stores))))
    assert await step(stores, operation) is not None
    ended = await cancel_operation(stores, 1, operation.id)
    assert (ended.state, ended.done) == (OperationState.CANCELLED, 1)
    assert await step(stores, operation) is None
    assert await run_operations(stores) == 0
    with pytest.raises(Conflict):
        await cancel_operation(stores, 1, operation.id)
    with pytest.raises(NotFound):
        await cancel_operation(stores, 2, operation.id)
    assert sum(seen.status is Status.CANCELLED for seen in (await observe(stores)).values()) == 1


async def test_no_tenant_may_begin_without_end(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_RUNNING", 2)
    for _ in range(2):
        await begun(stores, CANCEL)
    with pytest.raises(Conflict):
        await begun(stores, CANCEL)
    await run_operations(stores)
    await begun(stores, CANCEL)


async def test_what_was_over_a_week_ago_is_forgotten(stores: Stores) -> None:
    old, young, running = [await begun(stores, CANCEL) for _ in range(3)]
    for operation in (old, young):
        await step(stores, operation)
    aged = "00000000-0000-7000-8000-000000000001"
    await execute(stores, "UPDATE operations SET id = :aged WHERE id = :id", id=old.id, aged=aged)
    await execute(stores, "UPDATE operations SET finished_at = finished_at - interval '8 days' WHERE id = :id", id=aged)
    await prune_operations(stores)
    assert {one.id for one in await list_operations(stores, 1, limit=10)} == {young.id, running.id}


async def test_who_waits_for_a_task_is_told_of_its_end(stores: Stores, planned: Planned) -> None:
    [task] = await submit(stores, 1, [planned()])
    waiting = asyncio.create_task(wait_final(stores, 1, task.id, 30))
    await asyncio.sleep(0)
    await done(stores, CANCEL)
    async with asyncio.timeout(10):
        assert (await waiting).status is Status.CANCELLED


async def test_operations_race_claims_and_ends_and_count_what_they_did(
    stores: Stores, planned: Planned, claimant: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOVED_AT_ONCE", 7)
    await submit(stores, 1, [planned() for _ in range(200)])
    operation = await begun(stores, CANCEL)

    async def works() -> None:
        while runs := await claim_next(stores, claimant, 5):
            settlements: list[Any] = [Settlement(1, r.id, r.lease, completed("1"), None) for r in runs[:-1]]
            await settle(stores, settlements)

    await asyncio.gather(*(works() for _ in range(4)), *(run_operations(stores) for _ in range(2)))
    ended = await get_operation(stores, 1, operation.id)
    assert (ended.state, ended.matched) == (OperationState.DONE, 200)
    assert ended.done + sum(ended.skipped.values()) == 200
    rows = (await observe(stores)).values()
    assert sum(row.cancel_requested for row in rows) == ended.done
    assert all(row.status.is_final or row.cancel_requested for row in rows), "none escaped"
