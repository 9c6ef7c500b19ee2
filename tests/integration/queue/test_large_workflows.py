"""Workflows of many nodes, and many that end at once: one statement, in time, and nobody waits in a circle."""

from __future__ import annotations

import asyncio
import random

from sqlalchemy import text

from shared.domain.states import Status
from shared.domain.task import ClaimedTask
from shared.queue.claim import claim_next
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from tests.support.flows import CHAIN, status_of
from tests.support.scenes.making import ended
from tests.support.scenes.workflows import BROKEN, DONE, Given, claimed, run, shown, states, submitted
from tests.support.stores import registered
from tests.support.verbs import TENANT


async def test_a_chain_of_ten_thousand_is_lost_with_its_first_in_one_statement(stores: Stores) -> None:
    """Within the time that a statement may take: one that takes longer would be repeated for ever."""
    flow = await submitted(stores, {f"n{n}": {"after": [f"n{n - 1}"]} if n else {} for n in range(10_000)})
    await ended(stores, (await claimed(stores, flow))["n0"], BROKEN)
    found = (await shown(stores, flow)).workflow
    assert (found.failed, found.cancelled, found.status) == (1, 9_999, Status.FAILED)


async def test_a_thousand_side_by_side_and_one_after_them(stores: Stores) -> None:
    """Settled in batches by two at a time, in any order."""
    side: dict[str, Given] = {f"n{n}": {} for n in range(1_000)}
    flow = await submitted(stores, {**side, "last": {"after": list(side)}})
    runs = list((await claimed(stores, flow)).values())
    assert len(runs) == 1_000
    random.shuffle(runs)
    batches = [
        [Settlement(TENANT, one.id, one.lease, DONE, None) for one in runs[n : n + 50]] for n in range(0, 1_000, 50)
    ]
    # The lane is one connection: the second writer has stores of its own.
    async with Stores(stores.settings, pool_size=3, overflow=0, application="another") as other:
        await asyncio.gather(_all(stores, batches[::2]), _all(other, batches[1::2]))
    assert (await shown(stores, flow)).workflow.completed == 1_000
    assert (await states(stores, flow))["last"] == "PENDING"
    await run(stores, flow)
    assert await status_of(stores, flow) is Status.COMPLETED


def _batches(runs: list[ClaimedTask], size: int) -> list[list[Settlement]]:
    made = [Settlement(TENANT, one.id, one.lease, DONE, None) for one in runs]
    return [made[n : n + size] for n in range(0, len(made), size)]


async def _all(stores: Stores, batches: list[list[Settlement]]) -> None:
    for batch in batches:
        assert None not in await settle(stores, batch)


async def test_many_workflows_that_end_side_by_side_wait_in_no_circle(stores: Stores) -> None:
    flows = [await submitted(stores, {f"n{n}": {} for n in range(20)}) for _ in range(6)]
    runs = await claim_next(stores, await registered(stores), 1_000)
    random.shuffle(runs)
    batches = _batches(runs, 6)
    async with Stores(stores.settings, pool_size=3, overflow=0, application="another") as other:
        await asyncio.gather(_all(stores, batches[::2]), _all(other, batches[1::2]))
    assert {await status_of(stores, flow) for flow in flows} == {Status.COMPLETED}


async def test_an_end_reads_no_table_whole(stores: Stores) -> None:
    flow = await submitted(stores, CHAIN)
    [one] = (await claimed(stores, flow)).values()
    end = "UPDATE tasks SET status = 'COMPLETED', lease = NULL, finished_at = now() WHERE id = :id"
    read = "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE seq_scan > 0"
    async with stores.db.transaction() as session:
        await session.execute(text(end), {"id": one.id})
        scanned = {row.relname: row.seq_scan for row in await session.execute(text(read))}
    assert scanned in ({}, {"tasks": 1}), "of so small a table the statement itself may read all"
    assert (await states(stores, flow))["b"] == "PENDING"
