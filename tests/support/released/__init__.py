"""Databases as earlier releases left them: a file of SQL for each revision here, and what stands in them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

WAITING, RETRYING, RUNNING, COMPLETED, FAILED, CANCELLED, LATER = (
    f"01930000-0000-7000-8000-00000000000{n}" for n in range(1, 8)
)
ROWS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.sql"))}
TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")


async def sown(connection: AsyncConnection, revision: str) -> None:
    """Write the rows of a database at ``revision``."""
    raw = await connection.get_raw_connection()
    assert raw.driver_connection is not None
    await raw.driver_connection.execute(ROWS[revision])


async def everything(connection: AsyncConnection) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, as PostgreSQL writes it in JSON."""
    names = (await connection.execute(TABLES)).scalars().all()
    queries = {name: text(f'SELECT to_jsonb(t) FROM "{name}" t') for name in names}  # noqa: S608 - its own catalogue's
    return {name: list((await connection.execute(query)).scalars()) for name, query in queries.items()}
