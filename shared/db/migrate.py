"""Bring a database to the newest schema, under an advisory lock: many processes may call it at once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.session import CONNECT_TIMEOUT, translated_outages

LOCK_ID = 0x7461_736B_7275_6E00  # "taskrun\0": ours among a database's advisory locks


async def upgrade(database_url: str) -> str:
    """Run every migration that is missing; returns the revision the database is at.

    Raises: StoreUnavailable.
    """
    engine = create_async_engine(database_url, poolclass=NullPool, connect_args={"timeout": CONNECT_TIMEOUT})
    try:
        with translated_outages():
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": LOCK_ID})
                await connection.commit()
                try:
                    await connection.run_sync(_upgrade)
                    await connection.commit()
                finally:
                    await connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": LOCK_ID})
                    await connection.commit()
    finally:
        await engine.dispose()
    return head_revision()


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
    assert head is not None  # noqa: S101 - the package ships its migrations
    return head


async def current_revision(connection: AsyncConnection) -> str | None:
    """The revision the connected database is at; None: never migrated."""
    return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
