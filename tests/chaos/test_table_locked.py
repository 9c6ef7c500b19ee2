"""A migration holds ``tasks`` for longer than a lease: whoever lives beats on, and nobody is taken for dead."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.conftest import Stage
from tests.support.evidence import started_of
from tests.support.faults import Recoveries, connected, until

HELD_SECONDS = 10.0
RECOVERED_SECONDS = 10.0


@pytest.mark.chaos
async def test_a_table_locked_for_longer_than_a_lease_kills_nobody(stage: Stage, recoveries: Recoveries) -> None:
    async with stage.running(workers=2) as keepers, stage.load(seconds=2.0) as load:
        runs = {await load.submit() for _ in range(6)}
        await until(lambda: started_of(stage.ledger) >= runs, 30, "the runs")
        async with connected(stage.database_url) as migration, migration.transaction():
            await migration.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(HELD_SECONDS)
        took = await stage.recovered(load)
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert evidence.outcomes["lost"] == 0, "nobody was taken for dead"
    recoveries.measured(
        "tasks locked for 10 s, as by a migration: to a start, once it is free", took, RECOVERED_SECONDS
    )
