"""A lane: the driver's own answers, over one connection that is held, and replaced when it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text

from shared.db.session import Database
from shared.domain.errors import StoreUnavailable, Unstorable
from tests.support.servers import Servers

BACKEND = text("SELECT pg_backend_pid() AS pid")


@pytest_asyncio.fixture
async def db(servers: Servers) -> AsyncIterator[Database]:
    database = Database(servers.database_url, pool_size=2, overflow=0, recycle=3_600, application="test-lane")
    yield database
    await database.close()


async def pid(db: Database) -> int:
    async with db.lane("one") as lane:
        [row] = (await lane.execute(BACKEND, {})).mappings()
    return int(row["pid"])


async def test_a_lane_keeps_its_connection_and_two_lanes_have_two(db: Database) -> None:
    async with db.lane("other") as lane:
        [other] = (await lane.execute(BACKEND, {})).mappings()
    assert await pid(db) == await pid(db) != other["pid"]


async def test_parameters_go_by_name_and_jsonb_comes_decoded(db: Database) -> None:
    statement = text("SELECT CAST(:b AS jsonb) AS b, CAST(:a AS uuid) AS a, CAST(:b AS jsonb) -> 'x' AS x")
    given = uuid4()
    async with db.lane("one") as lane:
        [row] = (await lane.execute(statement, {"a": given, "b": '{"x": [1, null]}'})).mappings()
    assert (row["a"], row["b"], row["x"]) == (given, {"x": [1, None]}, [1, None])
    assert list(row.values()) == [{"x": [1, None]}, given, [1, None]]


async def test_a_lanes_statements_are_planned_once_and_never_walk_a_table(db: Database) -> None:
    show = text("""
        SELECT name, setting FROM pg_settings WHERE name IN
            ('enable_hashjoin', 'enable_mergejoin', 'enable_seqscan', 'plan_cache_mode') ORDER BY name
    """)
    async with db.lane("one") as lane:
        settings = [list(row.values())[1] for row in (await lane.execute(show, {})).mappings()]
    assert settings == ["off", "off", "off", "force_generic_plan"]


async def test_a_lane_whose_connection_was_ended_meanwhile_connects_anew(db: Database) -> None:
    first = await pid(db)
    async with db.autocommit() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
    deadline = time.monotonic() + 5
    while await _lives(db, first):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert await pid(db) != first


async def test_a_value_that_does_not_fit_costs_no_connection(db: Database) -> None:
    first = await pid(db)
    with pytest.raises(Unstorable):
        async with db.lane("one") as lane:
            await lane.execute(text("SELECT CAST(:a AS jsonb)"), {"a": '"\\u0000"'})
    with pytest.raises(Unstorable):
        async with db.lane("one") as lane:
            await lane.execute(text("SELECT CAST(:a AS integer)"), {"a": "seven"})
    assert await pid(db) == first


async def test_a_cancel_in_mid_statement_gives_the_connection_up(db: Database) -> None:
    first = await pid(db)

    async def sleep() -> None:
        async with db.lane("one") as lane:
            await lane.execute(text("SELECT pg_sleep(30)"), {})

    sleeping = asyncio.create_task(sleep())
    done, _ = await asyncio.wait({sleeping}, timeout=0.1)
    assert not done
    sleeping.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await pid(db) != first


async def test_a_driver_that_lost_count_of_its_state_is_an_outage_and_costs_the_connection(db: Database) -> None:
    """As asyncpg does where a connection is cut at the wrong moment; it once ended a worker."""
    first = await pid(db)
    with pytest.raises(StoreUnavailable):
        async with db.lane("one"):
            raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")
    assert await pid(db) != first


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    database = Database(
        "postgresql+asyncpg://nobody@127.0.0.1:9/none", pool_size=1, overflow=0, recycle=60, application="test-lane"
    )
    with pytest.raises(StoreUnavailable):
        await pid(database)
    await database.close()


async def _lives(db: Database, backend: int) -> bool:
    async with db.autocommit() as session:
        count = await session.execute(text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid"), {"pid": backend})
        return bool(count.scalar_one())
