"""Upgrades of a database with rows in it: what is there stays as it was, and whoever works on it meanwhile goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import migrate
from shared.db.migrate import current_revision, head_revision, upgrade
from shared.db.statements.health import database_state
from shared.domain.errors import StoreUnavailable
from shared.domain.states import Status
from shared.queue.claim import claim_next
from shared.queue.liveness import rescue
from shared.queue.lookup import get_task
from shared.queue.stores import Stores
from shared.settings import Settings, load_settings
from tests.integration.db.test_migrations import connected
from tests.support import released
from tests.support.faults import until_value
from tests.support.released import everything, sown
from tests.support.servers import Servers
from tests.support.stores import registered

TENANT = 1
PATIENCE_SECONDS = 20.0
TOUCH = "UPDATE tasks SET updated_at = now() WHERE status = 'PENDING'"
COLUMNS = text("""
    SELECT table_name || '.' || column_name, data_type, is_nullable = 'YES' OR column_default IS NOT NULL
           OR is_identity = 'YES' AS may_be_left_out
    FROM information_schema.columns WHERE table_schema = 'public'
""")
IS_AWAITED = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'tasks'::regclass
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


@pytest.fixture
def database(servers: Servers) -> Iterator[str]:
    with servers.lend_database(migrated=False) as url:
        yield url


async def migrated_to(url: str, revision: str) -> None:
    def run(connection: Connection) -> None:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with connected(url) as connection:
        await connection.run_sync(run)


@asynccontextmanager
async def stores_at(url: str, settings: Settings) -> AsyncIterator[Stores]:
    own = load_settings(_env_file=None, **{**settings.model_dump(), "database_url": url})
    async with Stores(own, pool_size=3, overflow=3, application="tests") as stores:
        yield stores


@pytest.mark.parametrize("revision", released.ROWS)
async def test_every_row_of_an_earlier_release_survives_unchanged(database: str, revision: str) -> None:
    await migrated_to(database, revision)
    async with connected(database) as connection:
        await sown(connection, revision)
        was = await everything(connection)
    assert all(was.values()), "a row in every table"
    await upgrade(database)
    async with connected(database) as connection:
        now = await everything(connection)
    for table, rows in was.items():
        kept = [{name: row[name] for name in rows[0]} for row in now[table]]
        assert all(row in kept for row in rows), table


@pytest.mark.parametrize("revision", released.ROWS)
async def test_tasks_of_an_earlier_release_go_on_after_the_upgrade(
    database: str, settings: Settings, revision: str
) -> None:
    await migrated_to(database, revision)
    async with connected(database) as connection:
        await sown(connection, revision)
        # Nobody beats for it: the death watch would find that out.
        await connection.execute(text("UPDATE workers SET state = 'dead'"))
    await upgrade(database)
    async with stores_at(database, settings) as stores:
        assert await rescue(stores) == 1
        claimed = {str(run.id) for run in await claim_next(stores, await registered(stores), 10)}
        assert claimed == {released.WAITING, released.RETRYING, released.RUNNING}
        done = await get_task(stores, TENANT, UUID(released.COMPLETED))
        others = [
            await get_task(stores, TENANT, UUID(i)) for i in (released.FAILED, released.CANCELLED, released.LATER)
        ]
    assert (done.status, done.result) == (Status.COMPLETED, {"operation": "add", "result": 3})
    assert [task.status for task in others] == [Status.FAILED, Status.CANCELLED, Status.SCHEDULED]


async def columns(url: str) -> dict[str, tuple[Any, ...]]:
    async with connected(url) as connection:
        return {row[0]: tuple(row[1:]) for row in await connection.execute(COLUMNS)}


async def test_processes_of_the_release_before_can_work_on_the_new_schema(database: str) -> None:
    """They name the columns they know: each is still there, and none that they don't know is asked of them."""
    await migrated_to(database, "0012")
    was = await columns(database)
    await upgrade(database)
    now = await columns(database)
    tables = {name.partition(".")[0] for name in was}
    assert {name: kind for name, (kind, _) in was.items()}.items() <= {n: kind for n, (kind, _) in now.items()}.items()
    new = {name: may for name, (_, may) in now.items() if name not in was and name.partition(".")[0] in tables}
    assert all(new.values()), new


async def test_a_newer_schema_is_left_alone_and_served(database: str, settings: Settings) -> None:
    await upgrade(database)
    async with connected(database) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert await upgrade(database) == "9999"
    async with stores_at(database, settings) as stores, stores.db.autocommit() as session:
        assert (await database_state(session)).is_migrated


async def test_an_older_schema_is_not_served(database: str, settings: Settings) -> None:
    await migrated_to(database, "0001")
    async with stores_at(database, settings) as stores, stores.db.autocommit() as session:
        assert not (await database_state(session)).is_migrated


@asynccontextmanager
async def read_for_long(url: str) -> AsyncIterator[AsyncConnection]:
    """As a dump does."""
    async with connected(url) as connection:
        await connection.execute(text("LOCK TABLE tasks IN ACCESS SHARE MODE"))
        yield connection


async def test_a_migration_gives_way_to_writers_while_it_waits_for_a_reader(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_MS", 200)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(migrate, "TRIES", 1_000)
    await migrated_to(database, "0005")
    async with read_for_long(database):
        upgrading = asyncio.create_task(upgrade(database))
        await until_value(database, IS_AWAITED, is_=True, timeout=PATIENCE_SECONDS)
        async with connected(database) as writer, asyncio.timeout(PATIENCE_SECONDS):
            await writer.execute(text(TOUCH))
        assert not upgrading.done()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await upgrading == head_revision()


async def test_a_migration_that_never_gets_its_table_says_so_and_leaves_all_as_it_was(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_MS", 50)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(migrate, "TRIES", 3)
    await migrated_to(database, "0005")
    async with read_for_long(database):
        with pytest.raises(StoreUnavailable, match="run it again"):
            await upgrade(database)
    async with connected(database) as connection:
        assert await current_revision(connection) == "0005"
        locks = (await connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))).scalar()
    assert locks == 0
    assert await upgrade(database) == head_revision()
