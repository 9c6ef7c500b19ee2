"""The breaker: it opens on silence alone, lets go of who waits, and closes by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from shared.db.breaker import Breaker
from shared.db.session import Database
from shared.domain.errors import StoreUnavailable
from tests.support.proxy import Proxy
from tests.support.servers import Servers

LET_GO_SECONDS = 4.5


@asynccontextmanager
async def patient_for(url: str, seconds: float) -> AsyncIterator[Database]:
    db = Database(url, pool_size=2, overflow=2, recycle=3600, application="tests", patience=seconds)
    try:
        yield db
    finally:
        await db.close()


async def asked(db: Database, sql: str = "SELECT 1") -> object:
    async with db.autocommit() as session:
        return (await session.execute(text(sql))).scalar_one()


async def refused_after(db: Database) -> float:
    """Seconds until a statement is given up."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await asked(db)
    return time.monotonic() - began


async def answered_again(db: Database) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert await asked(db) == 1
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_silent_postgresql_lets_everybody_go_at_once_and_asks_nobody_to_wait_again(servers: Servers) -> None:
    async with Proxy.before(servers.database_url) as proxy, patient_for(proxy.url, 60.0) as db:
        assert await asked(db) == 1
        proxy.hang()
        waited = await asyncio.gather(*(refused_after(db) for _ in range(8)))
        assert 1.0 < max(waited) < LET_GO_SECONDS + 5, "the patience was a minute"
        assert await refused_after(db) < 0.5
        proxy.flow()
        await answered_again(db)


async def test_slow_statements_in_a_full_pool_are_no_silence(servers: Servers) -> None:
    async with patient_for(servers.database_url, 60.0) as db:
        slow = [asyncio.create_task(asked(db, "SELECT 1 FROM pg_sleep(2.8)")) for _ in range(4)]
        await asyncio.sleep(0.2)
        assert await asked(db) == 1, "it waited for a connection, and got one"
        assert await asyncio.gather(*slow) == [1] * 4


async def test_one_connection_that_went_silent_costs_the_patience_and_no_more(servers: Servers) -> None:
    async with Proxy.before(servers.database_url) as proxy, patient_for(proxy.url, 1.5) as db:
        assert await asked(db) == 1
        loss = proxy.lose_reply_to(b"SELECT 42")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await asked(db, "SELECT 42")
        assert loss.is_held.is_set()
        assert time.monotonic() - began < LET_GO_SECONDS
        assert await asked(db) == 1, "on another connection, at once"


async def test_a_loop_that_stands_still_is_not_taken_for_silence() -> None:
    async def ask() -> None:
        await asyncio.sleep(0.05)

    breaker = Breaker(ask)
    breaker.suspect()
    await asyncio.sleep(0)
    time.sleep(1.7)  # noqa: ASYNC251 - the very thing
    for _ in range(5):
        await asyncio.sleep(0.05)
        assert not breaker.is_open
    await breaker.close()
