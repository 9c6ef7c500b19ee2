"""Who lives, who is dead, and who takes back the runs of the dead."""

from __future__ import annotations

import asyncio

from shared.db.heartbeat import HeartbeatConnection
from shared.db.statements import liveness as statements
from shared.domain.states import Status
from shared.queue.claim import Claimant
from shared.queue.liveness import Watcher, rescue
from shared.queue.stores import Stores
from tests.support.scenes.making import (
    Scene,
    die,
    execute,
    row,
    running,
)
from tests.support.stores import registered
from tests.support.verbs import until_met, within


async def a_watcher_judges_too_late(stores: Stores) -> None:
    who = await registered(stores)
    await execute(stores, "UPDATE workers SET beat = beat + 1")
    async with stores.db.autocommit() as session:
        await statements.declare_dead(session, who.worker_id, 0)
    await _lives(stores, who, "a worker that beats was declared dead")


def a_watch(wrong: str, *readings: tuple[float, float] | None) -> Scene:
    """Of a counter that stands still. Readings: when asked and when answered; None: it failed."""

    async def scene(stores: Stores) -> None:
        who = await registered(stores)
        await execute(stores, "UPDATE workers SET beat = 1")
        watcher = Watcher(stores)
        for reading in readings:
            if reading is None:
                watcher.failed()
            else:
                await watcher.judge({who.worker_id: 1}, asked_at=reading[0], answered_at=reading[1])
        await _lives(stores, who, wrong)

    return scene


async def _lives(stores: Stores, who: Claimant, wrong: str) -> None:
    async with stores.db.autocommit() as session:
        assert who.worker_id in await statements.counters(session), wrong


async def a_dead_worker_beats(stores: Stores) -> None:
    who = await registered(stores)
    await die(stores)
    async with await HeartbeatConnection.open(stores.settings.database_url.get_secret_value()) as connection:
        beat = await connection.beat(who.worker_id, "running")
    assert not beat.is_alive, "a zombie was told that it lives"


async def a_rescue_finds_the_living(stores: Stores) -> None:
    run = await running(stores)
    await rescue(stores)
    assert (await row(stores, run.id)).lease == run.lease, "a living worker lost its run"


async def a_rescue_finds_the_dead(stores: Stores) -> None:
    run = await running(stores)
    await die(stores)
    await rescue(stores)
    assert (await row(stores, run.id)).status is Status.RETRYING, "a dead worker kept its run"


async def two_rescues_meet(stores: Stores) -> None:
    await running(stores)
    await die(stores)
    async with stores.db.transaction() as session:
        assert await rescue(within(stores, session)) == 1
        other = asyncio.ensure_future(rescue(stores))
        await until_met(session, other)
        has_waited = not other.done()
    [said] = await asyncio.gather(other, return_exceptions=True)
    assert said == 0, "two rescues took one run back"
    assert not has_waited, "a rescue waited for a lock"
