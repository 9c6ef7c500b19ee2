"""The schema as migrated: equal to the models, safe to bring about twice and from many processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.migrate import current_revision, head_revision, upgrade
from shared.db.schema import Base
from shared.domain.errors import StoreUnavailable
from shared.embedded.ports import free_port
from tests.support.servers import Servers

CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
COLUMNS = r"""
    SELECT table_name, column_name, data_type, is_nullable,
           is_identity, regexp_replace(column_default, '^''(\d+)''::smallint$', '\1')
    FROM information_schema.columns WHERE table_schema = 'public'
"""

STORAGE = "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
CATALOGUE = {"constraints": CONSTRAINTS, "indexes": INDEXES, "columns": COLUMNS, "storage": STORAGE}


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[str]:
    with servers.lend_database(migrated=False) as url:
        yield url


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def catalogue(url: str) -> dict[str, set[tuple[str, ...]]]:
    async with connected(url) as connection:
        found = {}
        for name, query in CATALOGUE.items():
            rows = (await connection.execute(text(query))).all()
            found[name] = {tuple(map(str, row)) for row in rows if not str(row[0]).startswith("alembic")}
        return found


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


async def test_alembic_sees_no_difference_between_models_and_migration(servers: Servers) -> None:
    async with connected(servers.database_url) as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.parametrize("kind", CATALOGUE)
async def test_the_models_create_what_the_migrations_do(servers: Servers, empty_database: str, kind: str) -> None:
    """Alembic compares no checks, no conditions of indexes: PostgreSQL's own words for both do."""
    async with connected(empty_database) as connection:
        await connection.run_sync(Base.metadata.create_all)
    modelled, migrated = await catalogue(empty_database), await catalogue(servers.database_url)
    assert modelled[kind] == migrated[kind]
    assert modelled[kind]


async def test_upgrading_twice_is_upgrading_once(empty_database: str) -> None:
    assert await upgrade(empty_database) == head_revision()
    before = await catalogue(empty_database)
    async with connected(empty_database) as connection:
        await connection.execute(text("INSERT INTO queues (tenant_id, name) VALUES (1, 'kept')"))
    assert await upgrade(empty_database) == head_revision()
    assert await catalogue(empty_database) == before
    async with connected(empty_database) as connection:
        assert (await connection.execute(text("SELECT name FROM queues"))).scalars().all() == ["kept"]


async def test_many_may_upgrade_at_once(empty_database: str) -> None:
    async with asyncio.timeout(30):
        revisions = await asyncio.gather(*(upgrade(empty_database) for _ in range(4)))
    assert set(revisions) == {head_revision()}
    async with connected(empty_database) as connection:
        versions = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all()
        locks = (await connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))).scalar()
    assert versions == [head_revision()]
    assert locks == 0


async def test_a_database_never_migrated_has_no_revision(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        assert await current_revision(connection) is None
    await upgrade(empty_database)
    async with connected(empty_database) as connection:
        assert await current_revision(connection) == head_revision()


async def test_an_upgrade_of_a_database_that_is_away_says_so() -> None:
    with pytest.raises(StoreUnavailable):
        await upgrade(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/nowhere")
