"""PostgreSQL is killed, loses sessions, or hangs: clients are told 503, and nobody who lives is taken for dead."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.db.migrate import upgrade
from shared.embedded.postgres import Postgres
from tests.chaos.conftest import Stage
from tests.support.facts import Evidence
from tests.support.faults import Recoveries, Store, connected
from tests.support.load import Load
from tests.support.proxy import Proxy

RECOVERED_SECONDS = 10.0


@pytest.fixture
async def postgres(stage: Stage, tmp_path: Path) -> AsyncIterator[Store]:
    """A PostgreSQL of the test's own, with fsync on: it must survive kill -9."""
    async with Store(Postgres(tmp_path / "postgres")) as store:
        await upgrade(store.url)
        stage.database_url = stage.service.env["DATABASE_URL"] = store.url
        yield store


@pytest.fixture
async def proxy(stage: Stage) -> AsyncIterator[Proxy]:
    """A proxy between the service and the run's PostgreSQL."""
    async with Proxy.before(stage.database_url) as opened:
        stage.service.env["DATABASE_URL"] = opened.url
        yield opened


def outages_told(load: Load) -> int:
    return sum(call.status == 503 for call in load.calls)


def nobody_was_taken_for_dead(evidence: Evidence) -> bool:
    return evidence.outcomes["lost"] == 0


async def test_a_killed_postmaster_costs_seconds_and_nothing_else(
    stage: Stage, postgres: Store, recoveries: Recoveries
) -> None:
    async with stage.running(workers=2) as keepers, stage.load(seconds=0.2) as load:
        steady = asyncio.create_task(load.steady(rate=20, seconds=7))
        await asyncio.sleep(2)
        postgres.kill()
        await asyncio.sleep(2)
        await postgres.start()
        took = await stage.recovered(load)
        await steady
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert outages_told(load)
    assert nobody_was_taken_for_dead(evidence)
    recoveries.measured("kill -9 of the postmaster: back to a start", took, RECOVERED_SECONDS)


KILL_ONE = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid() LIMIT 1
"""
END_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def test_sessions_that_are_ended_are_opened_again(stage: Stage, recoveries: Recoveries) -> None:
    async with stage.running(workers=2) as keepers, stage.load(seconds=0.2) as load:
        steady = asyncio.create_task(load.steady(rate=20, seconds=5))
        async with connected(stage.database_url) as connection:
            for _ in range(3):
                await asyncio.sleep(1)
                assert await connection.fetchval(END_ALL, timeout=10) >= 3
        took = await stage.recovered(load)
        await steady
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert nobody_was_taken_for_dead(evidence)
    recoveries.measured("every session ended, three times: back to a start", took, RECOVERED_SECONDS)


@pytest.mark.chaos
async def test_a_killed_backend_makes_postgresql_start_over_and_loses_nothing(
    stage: Stage, postgres: Store, recoveries: Recoveries
) -> None:
    async with stage.running(workers=2) as keepers, stage.load(seconds=0.2) as load:
        steady = asyncio.create_task(load.steady(rate=20, seconds=5))
        await asyncio.sleep(1.5)
        async with connected(stage.database_url) as connection:
            pid = await connection.fetchval(KILL_ONE, "taskrunner-worker", timeout=10)
        os.kill(pid, signal.SIGKILL)
        took = await stage.recovered(load)
        await steady
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert nobody_was_taken_for_dead(evidence)
    recoveries.measured("kill -9 of one backend: back to a start", took, RECOVERED_SECONDS)


@pytest.mark.parametrize("silent", [8, pytest.param(20, marks=pytest.mark.chaos)])
async def test_a_postgresql_that_hangs_past_every_lease_makes_nobody_dead(
    stage: Stage, proxy: Proxy, recoveries: Recoveries, silent: int
) -> None:
    async with stage.running(workers=2) as keepers, stage.load(seconds=0.2) as load:
        # Who was refused comes again at once when it is over, all through one proxy that is written in Python.
        steady = asyncio.create_task(load.steady(rate=4, seconds=silent + 4))
        await asyncio.sleep(2)
        proxy.hang()
        await asyncio.sleep(silent)
        proxy.flow()
        took = await stage.recovered(load)
        await steady
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert nobody_was_taken_for_dead(evidence)
    recoveries.measured(f"PostgreSQL hangs {silent} s: back to a start", took, RECOVERED_SECONDS)


@pytest.mark.chaos
@pytest.mark.parametrize("away", [4, 20])
async def test_a_postgresql_that_cannot_be_reached_is_503_and_back_within_seconds(
    stage: Stage, proxy: Proxy, recoveries: Recoveries, away: int
) -> None:
    async with stage.running(workers=2) as keepers, stage.load(seconds=0.2) as load:
        steady = asyncio.create_task(load.steady(rate=10, seconds=away + 4))
        await asyncio.sleep(2)
        proxy.refuse()
        proxy.cut()
        await asyncio.sleep(away)
        await proxy.accept()
        took = await stage.recovered(load)
        await steady
        evidence = await stage.judged(load)
        assert [keeper.exits for keeper in keepers] == [[], [], []]
    assert outages_told(load)
    assert nobody_was_taken_for_dead(evidence)
    recoveries.measured(f"PostgreSQL refuses {away} s: back to a start", took, RECOVERED_SECONDS)
