"""Bring a database to the newest schema, under an advisory lock: many processes may call it at once.

It never waits long for a table: whatever a migration waits for, every later statement on that table waits for behind
it. So it tries in short turns, each migration in a transaction of its own, and says so where none came through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.session import CONNECT_TIMEOUT, is_locked_out, translated_outages
from shared.domain.errors import StoreUnavailable

LOCK_ID = 0x7461_736B_7275_6E00  # "taskrun\0": ours among a database's advisory locks
LOCK_MS = 2_000
"""How long one try waits for a table: less than a request waits for PostgreSQL."""
PAUSE_SECONDS = 3.0
TRIES = 12
LOCKED = "Others hold tables that have to change (a dump, a long transaction): run it again when they have ended."

LOCK = text("SELECT pg_advisory_lock(:id)")
UNLOCK = text("SELECT pg_advisory_unlock(:id)")
# A role may have limits of its own, and an index of a large table takes its time.
LIMITS = text("SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', :lock_timeout, false)")


async def upgrade(database_url: str) -> str:
    """Run every migration that is missing; returns the revision the database is at. A newer release's is left alone.

    Raises: StoreUnavailable.
    """
    engine = create_async_engine(database_url, poolclass=NullPool, connect_args={"timeout": CONNECT_TIMEOUT})
    try:
        with translated_outages():
            async with engine.connect() as connection, _alone(connection):
                found = await current_revision(connection)
                await connection.commit()
                if found is not None and is_sufficient(found):
                    return found
                await _upgrade_in_turns(connection)
    finally:
        await engine.dispose()
    return head_revision()


@asynccontextmanager
async def _alone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Hold the lock of migrations, for which others wait as long as it takes; wait for no table as long."""
    await connection.execute(LIMITS, {"lock_timeout": "0"})
    await connection.execute(LOCK, {"id": LOCK_ID})
    await connection.execute(LIMITS, {"lock_timeout": str(LOCK_MS)})
    await connection.commit()
    try:
        yield
    finally:
        await connection.rollback()
        await connection.execute(UNLOCK, {"id": LOCK_ID})
        await connection.commit()


async def _upgrade_in_turns(connection: AsyncConnection) -> None:
    for left in reversed(range(TRIES)):
        try:
            await connection.run_sync(_upgrade)
            await connection.commit()
        except DBAPIError as error:
            await connection.rollback()
            if not is_locked_out(error):
                raise
            if not left:
                raise StoreUnavailable(LOCKED) from error
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def head_revision() -> str:
    """The revision this code expects. Read once: it reads every migration."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101 # nosec B101 # the package ships its migrations
    return head


@cache
def _older_revisions() -> frozenset[str]:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return frozenset(known - {head_revision()})


def is_sufficient(revision: str) -> bool:
    """Whether this code can work on that schema: its own, or one it does not know, which is a newer release's."""
    return revision not in _older_revisions()


async def current_revision(connection: AsyncConnection) -> str | None:
    """The revision the connected database is at; None: never migrated."""
    return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
