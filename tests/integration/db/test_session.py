"""The session layer: what commits when, which errors are outages, and the limits every session has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

import shared.db.session
from shared.db.session import Database
from shared.domain.errors import StoreUnavailable, Unstorable
from shared.embedded.ports import free_port
from shared.metrics import DATABASE_FAILURES
from tests.support.servers import Servers

ADD = text("INSERT INTO queues (tenant_id, name) VALUES (1, :name)")
MY_PID = text("SELECT pg_backend_pid()")


def database(url: str, *, pool_size: int = 2, overflow: int = 0) -> Database:
    return Database(url, pool_size=pool_size, overflow=overflow, recycle=3_600, application="session-tests")


@pytest_asyncio.fixture
async def db(servers: Servers) -> AsyncIterator[Database]:
    opened = database(servers.database_url)
    async with opened.autocommit() as session:
        await session.execute(text("TRUNCATE queues"))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def other(servers: Servers) -> AsyncIterator[Database]:
    """Somebody else's sessions on the same database."""
    opened = database(servers.database_url)
    yield opened
    await opened.close()


async def names(db: Database) -> set[str]:
    async with db.autocommit() as session:
        return set((await session.execute(text("SELECT name FROM queues"))).scalars())


async def test_a_connection_is_replaced_once_it_is_too_old(servers: Servers) -> None:
    ageing = Database(servers.database_url, pool_size=1, overflow=0, recycle=1, application="session-tests")
    seen: set[int] = set()
    async with asyncio.timeout(30):
        while len(seen) < 2:
            async with ageing.autocommit() as session:
                seen.add(await pid_of(session))
            await asyncio.sleep(0.05)
    await ageing.close()


async def kill(killer: Database, pid: int) -> None:
    """End one backend of ours, and wait until it is gone."""
    async with killer.autocommit() as session:
        ended = await session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        assert ended.scalar_one() is True


async def pid_of(session: AsyncSession) -> int:
    return int((await session.execute(MY_PID)).scalar_one())


async def add_and_raise(db: Database, error: BaseException) -> None:
    async with db.transaction() as session:
        await session.execute(ADD, {"name": "gone"})
        raise error


async def test_an_autocommit_statement_stands_at_once_and_whatever_follows(db: Database, other: Database) -> None:
    async def work() -> None:
        async with db.autocommit() as session:
            await session.execute(ADD, {"name": "kept"})
            assert await names(other) == {"kept"}
            raise RuntimeError("after")

    with pytest.raises(RuntimeError, match="after"):
        await work()
    assert await names(other) == {"kept"}


async def test_autocommit_opens_no_transaction(db: Database) -> None:
    async with db.autocommit() as session:
        ids = [(await session.execute(text("SELECT pg_current_xact_id()::text"))).scalar_one() for _ in range(2)]
    assert ids[0] != ids[1]


async def test_a_transaction_is_seen_only_when_it_ends(db: Database, other: Database) -> None:
    async with db.transaction() as session:
        await session.execute(ADD, {"name": "one"})
        await session.execute(ADD, {"name": "two"})
        assert await names(other) == set()
    assert await names(other) == {"one", "two"}


@pytest.mark.parametrize("error", [RuntimeError("ours"), asyncio.CancelledError()], ids=lambda e: type(e).__name__)
async def test_a_transaction_is_rolled_back_by_any_error(db: Database, error: BaseException) -> None:
    with pytest.raises(type(error)):
        await add_and_raise(db, error)
    assert await names(db) == set()


async def test_the_two_kinds_of_session_share_a_connection_and_not_its_mode(servers: Servers, other: Database) -> None:
    one = database(servers.database_url, pool_size=1)
    try:
        for _ in range(2):
            async with one.autocommit() as session:
                first = await pid_of(session)
                await session.execute(text("TRUNCATE queues"))
            with pytest.raises(RuntimeError):
                await add_and_raise(one, RuntimeError())
            async with one.transaction() as session:
                assert await pid_of(session) == first
            assert await names(other) == set()
    finally:
        await one.close()


@pytest.mark.parametrize("kind", ["autocommit", "transaction"])
async def test_nobody_listening_is_an_outage(kind: str) -> None:
    away = database(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/nowhere")
    before = DATABASE_FAILURES.counts[("away",)]
    with pytest.raises(StoreUnavailable):
        async with getattr(away, kind)() as session:
            await session.execute(text("SELECT 1"))
    assert DATABASE_FAILURES.counts[("away",)] == before + 1
    await away.close()


async def test_a_host_that_never_answers_is_an_outage_within_its_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.db.session, "CONNECT_TIMEOUT", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hanging = database(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/nowhere")
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            async with hanging.autocommit() as session:
                await session.execute(text("SELECT 1"))
        assert time.monotonic() - started < 3
        await hanging.close()


async def test_a_database_that_is_not_there_is_an_outage(servers: Servers) -> None:
    missing = database(urlunsplit(urlsplit(servers.database_url)._replace(path="/no_such_database")))
    with pytest.raises(StoreUnavailable):
        async with missing.autocommit() as session:
            await session.execute(text("SELECT 1"))
    await missing.close()


@pytest.mark.parametrize("kind", ["autocommit", "transaction"])
async def test_a_backend_killed_in_mid_session_is_an_outage_and_the_next_session_works(
    db: Database, other: Database, kind: str
) -> None:
    async def work() -> None:
        async with getattr(db, kind)() as session:
            await kill(other, await pid_of(session))
            await session.execute(ADD, {"name": "gone"})

    with pytest.raises(StoreUnavailable) as caught:
        await work()
    assert caught.value.__cause__ is not None, "the reason is kept for the log"
    async with getattr(db, kind)() as session:
        await session.execute(ADD, {"name": "kept"})
    assert await names(other) == {"kept"}


async def test_a_backend_killed_in_mid_statement_is_an_outage(db: Database, other: Database) -> None:
    async def sleep() -> None:
        async with db.autocommit() as session:
            await session.execute(text("SELECT pg_sleep(20) /* to be killed */"))

    sleeping = asyncio.create_task(sleep())
    find = text("SELECT pid FROM pg_stat_activity WHERE query LIKE '%to be killed%' AND pid <> pg_backend_pid()")
    deadline = time.monotonic() + 10
    found = None
    while found is None:
        assert time.monotonic() < deadline
        async with other.autocommit() as session:
            found = (await session.execute(find)).scalar()
        await asyncio.sleep(0.01)
    await kill(other, found)
    with pytest.raises(StoreUnavailable):
        await sleeping


async def test_idle_connections_that_died_cost_one_failure_at_most(servers: Servers, other: Database) -> None:
    pooled = database(servers.database_url, pool_size=3)
    async with pooled.autocommit() as a, pooled.autocommit() as b, pooled.autocommit() as c:
        pids = [await pid_of(session) for session in (a, b, c)]
    for pid in pids:
        await kill(other, pid)
    failures = 0
    for _ in pids:
        try:
            await names(pooled)
        except StoreUnavailable:
            failures += 1
    assert failures <= 1
    await pooled.close()


async def test_an_exhausted_pool_is_an_outage_and_not_a_long_wait(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.db.session, "POOL_TIMEOUT", 0.1)
    tiny = database(servers.database_url, pool_size=1)
    before = DATABASE_FAILURES.counts[("pool",)]
    async with tiny.autocommit() as session:
        await session.execute(text("SELECT 1"))
        assert tiny.connections == (1, 1)
        with pytest.raises(StoreUnavailable):
            await names(tiny)
    assert DATABASE_FAILURES.counts[("pool",)] == before + 1, "and told apart from one that is away"
    assert isinstance(await names(tiny), set), "the connection came back"
    await tiny.close()


async def test_a_cancelled_statement_gives_a_working_connection_back(servers: Servers) -> None:
    one = database(servers.database_url, pool_size=1)

    async def sleep() -> None:
        async with one.autocommit() as session:
            await session.execute(text("SELECT pg_sleep(20)"))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sleep(), 0.2)
    async with asyncio.timeout(5), one.autocommit() as session:
        assert (await session.execute(text("SELECT 7"))).scalar_one() == 7
    await one.close()


@pytest.mark.parametrize(
    ("statement", "parameters", "error"),
    [
        ("SELEC 1", {}, ProgrammingError),
        ("SELECT * FROM no_such_table", {}, ProgrammingError),
        ("SELECT 1 / 0", {}, Unstorable),
        ("INSERT INTO queues (tenant_id, name) VALUES (1, 'twice'), (1, 'twice')", {}, IntegrityError),
        ("SELECT CAST(:n AS smallint)", {"n": 40_000}, Unstorable),
        ("SELECT CAST(:n AS integer)", {"n": "text"}, Unstorable),
        ("SELECT CAST(:n AS text)", {"n": "a\x00b"}, Unstorable),
    ],
)
async def test_a_wrong_statement_is_no_outage(
    db: Database, statement: str, parameters: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        async with db.autocommit() as session:
            await session.execute(text(statement), parameters)
    assert not isinstance(caught.value, StoreUnavailable)


async def test_a_statement_past_its_time_limit_is_ended_by_the_server(db: Database) -> None:
    async def work() -> None:
        async with db.transaction() as session:
            await session.execute(text("SET LOCAL statement_timeout = 100"))
            await session.execute(text("SELECT pg_sleep(20)"))

    with pytest.raises(StoreUnavailable):
        await work()
    assert await names(db) == set()


@pytest.mark.parametrize("kind", ["autocommit", "transaction"])
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "30s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "30s"),
        ("timezone", "UTC"),
        ("jit", "off"),
        ("application_name", "session-tests"),
        ("synchronous_commit", "on"),
    ],
)
async def test_every_session_has_its_limits(db: Database, kind: str, setting: str, value: str) -> None:
    async with getattr(db, kind)() as session:
        assert (await session.execute(text(f"SHOW {setting}"))).scalar_one() == value
