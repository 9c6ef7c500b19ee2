"""Taking back the tasks of the dead, on the real stores: by compare and set, level-triggered, once each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import text

from shared.db.heartbeat import HeartbeatConnection
from shared.db.statements import liveness as statements
from shared.domain.cancels import CancelRequest
from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import NewTask
from shared.domain.verdict import completed, crashed
from shared.metrics import TASKS_ENDED
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.liveness import release_unknown, rescue
from shared.queue.lookup import get_task, list_attempts
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.settings import Settings
from tests.support.stores import registered

Planned = Callable[..., NewTask]


async def declare(stores: Stores, who: Claimant, beat: int = 0) -> bool:
    async with stores.db.autocommit() as session:
        return await statements.declare_dead(session, who.worker_id, beat)


async def test_tasks_of_the_living_are_left_alone(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await submit(stores, 1, [planned()])
    await claim_next(stores, claimant, 1)
    assert await rescue(stores) == 0


async def test_a_dead_workers_tasks_go_back_and_cost_no_attempt(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    [task] = await submit(stores, 1, [planned()])
    [run] = await claim_next(stores, claimant, 1)
    assert await declare(stores, claimant)
    assert await rescue(stores) == 1
    back = await get_task(stores, 1, task.id)
    assert (back.status, back.attempt) == (Status.RETRYING, 0)
    assert [a.outcome for a in await list_attempts(stores, 1, task.id)] == [AttemptOutcome.LOST]
    assert (await settle(stores, [Settlement(1, run.id, run.lease, completed("1"), None)]))[0] is None, "fenced"
    other = await registered(stores)
    [again] = await claim_hinted(stores, other, [task.id])
    assert (again.losses, again.attempt, again.is_suspect) == (1, 1, True)


async def test_a_worker_without_a_row_is_as_dead_as_any(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await submit(stores, 1, [planned() for _ in range(3)])
    assert len(await claim_next(stores, claimant, 3)) == 3
    async with stores.db.autocommit() as session:
        await session.execute(text("DELETE FROM workers"))
    assert await rescue(stores) == 3


async def test_a_beat_in_between_keeps_a_worker_alive(stores: Stores, claimant: Claimant) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text("UPDATE workers SET beat = beat + 1"))
    assert not await declare(stores, claimant, beat=0)
    assert await declare(stores, claimant, beat=1)
    assert not await declare(stores, claimant, beat=1), "only one declares"


async def test_a_worker_beats_on_while_others_hold_the_tasks(
    stores: Stores, settings: Settings, planned: Planned, claimant: Claimant
) -> None:
    [task] = await submit(stores, 1, [planned()])
    await claim_next(stores, claimant, 1)
    await cancel(stores, 1, task.id)
    async with await HeartbeatConnection.open(settings.database_url.get_secret_value()) as heart:
        async with stores.db.transaction() as migration:
            await migration.execute(text("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"))
            beats = [await heart.beat(claimant.worker_id, "running") for _ in range(2)]
        after = await heart.beat(claimant.worker_id, "running")
    assert [(beat.is_alive, beat.counters[claimant.worker_id], beat.cancels) for beat in [*beats, after]] == [
        (True, 0, []),
        (True, 1, []),
        (True, 2, [CancelRequest(task.id, 1)]),
    ]


async def test_the_dead_claim_nothing(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    [task] = await submit(stores, 1, [planned()])
    await declare(stores, claimant)
    assert await claim_next(stores, claimant, 1) == []
    assert await claim_hinted(stores, claimant, [task.id]) == []


async def test_many_rescuers_take_each_task_back_once(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await submit(stores, 1, [planned() for _ in range(50)])
    await claim_next(stores, claimant, 50)
    await declare(stores, claimant)
    rescued = await asyncio.gather(*(rescue(stores) for _ in range(5)))
    assert sum(rescued) == 50
    async with stores.db.autocommit() as session:
        [(losses, count)] = (await session.execute(text("SELECT losses, count(*) FROM tasks GROUP BY losses"))).all()
        assert (losses, count) == (1, 50)


async def test_a_cancel_request_survives_the_worker(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    [task] = await submit(stores, 1, [planned()])
    await claim_next(stores, claimant, 1)
    await cancel(stores, 1, task.id)
    await declare(stores, claimant)
    await rescue(stores)
    assert (await get_task(stores, 1, task.id)).status is Status.CANCELLED


async def test_the_tenth_loss_is_the_last(stores: Stores, planned: Planned) -> None:
    [task] = await submit(stores, 1, [planned()])
    failed_so_far = TASKS_ENDED.counts[(task.type, task.queue, "FAILED")]
    for _ in range(10):
        worker = await registered(stores)
        [_run] = await claim_hinted(stores, worker, [task.id])
        await declare(stores, worker)
        await rescue(stores)
    lost = await get_task(stores, 1, task.id)
    assert lost.error is not None
    assert (lost.status, lost.error.type) == (Status.FAILED, "lost")
    assert TASKS_ENDED.counts[(task.type, task.queue, "FAILED")] == failed_so_far + 1


async def test_a_lease_nobody_knows_is_released_and_a_known_one_is_not(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    kept, lost = await submit(stores, 1, [planned(), planned()])
    [run] = await claim_hinted(stores, claimant, [kept.id])
    await claim_hinted(stores, claimant, [lost.id], lease=uuid4())
    assert await release_unknown(stores, claimant.worker_id, lambda _, lease: lease == run.lease) == 1
    assert (await get_task(stores, 1, kept.id)).status is Status.PROCESSING
    back = await get_task(stores, 1, lost.id)
    assert (back.status, back.attempt) == (Status.RETRYING, 0)
    assert [a.outcome for a in await list_attempts(stores, 1, lost.id)] == [AttemptOutcome.RELEASED]


async def test_a_crash_is_counted_by_the_settle(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    [task] = await submit(stores, 1, [planned()])
    [run] = await claim_next(stores, claimant, 1)
    await settle(stores, [Settlement(1, run.id, run.lease, crashed(), None)])
    [again] = await claim_hinted(stores, claimant, [task.id])
    assert (again.crashes, again.losses, again.attempt) == (1, 0, 1)
