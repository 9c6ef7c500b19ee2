"""What operators ask for: a pause that holds, for one tenant; a purge that never waits; a drain that is kept."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from shared.db.heartbeat import HeartbeatConnection
from shared.db.statements import queues as statements
from shared.domain.states import Status
from shared.queue.queues import pause, purge
from shared.queue.stores import Stores
from shared.queue.workers import drain
from tests.support.scenes.making import Claim, Scene, execute, row, submitted
from tests.support.stores import registered
from tests.support.verbs import TENANT, until_met

QUEUE = "demo_tasks"
OTHER_TENANT = "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"


def another_tenant_pauses(claim: Claim) -> Scene:
    async def scene(stores: Stores) -> None:
        task, who = await submitted(stores), await registered(stores)
        await execute(stores, OTHER_TENANT)
        try:
            await pause(stores, 2, QUEUE)
            assert len(await claim(stores, who, task.id)) == 1, "another tenant's pause held a task"
        finally:
            await execute(stores, "DELETE FROM queues WHERE tenant_id = 2")
            await execute(stores, "DELETE FROM tenants WHERE id = 2")

    return scene


async def a_pause_meets_a_claim(stores: Stores) -> None:
    """The claim is any statement that began before the pause was there to be read."""

    async def claim() -> None:
        async with stores.db.autocommit() as session:
            await session.execute(text("SELECT pg_sleep(0.5)"))

    claiming = asyncio.create_task(claim())
    while not await _claims(stores):  # noqa: ASYNC110 - it is another session's doing
        await asyncio.sleep(0.005)
    await pause(stores, TENANT, QUEUE)
    is_claiming = await _claims(stores)
    await claiming
    assert not is_claiming, "a claim was under way when the pause was answered"


async def _claims(stores: Stores) -> bool:
    async with stores.db.autocommit() as session:
        return await statements.somebody_still_claims(session, await statements.now(session))


async def a_purge_meets_a_lock(stores: Stores) -> None:
    task = await submitted(stores)
    async with stores.db.transaction() as session:
        await session.execute(text("SELECT FROM tasks WHERE id = :id FOR UPDATE"), {"id": task.id})
        purging = asyncio.ensure_future(purge(stores, TENANT, QUEUE))
        await until_met(session, purging)
        has_waited = not purging.done()
    await purging
    assert not has_waited, "a purge waited for a lock"


async def a_purge_of_another_tenant(stores: Stores) -> None:
    task = await submitted(stores)
    await purge(stores, 2, QUEUE)
    assert (await row(stores, task.id)).status is Status.PENDING, "a purge took another tenant's task"


async def a_drained_worker_beats(stores: Stores) -> None:
    who = await registered(stores)
    await drain(stores, who.worker_id)
    async with await HeartbeatConnection.open(stores.settings.database_url.get_secret_value()) as connection:
        beat = await connection.beat(who.worker_id, "running")
    assert beat.must_drain, "a drain was forgotten"
