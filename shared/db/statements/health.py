"""What the health checks ask of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.migrate import current_revision, head_revision

ANSWER = text("""
    SELECT current_setting('server_version') AS version, current_setting('max_connections')::int AS max_connections
""")


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What PostgreSQL says of itself; ``revision`` None: never migrated."""

    version: str
    max_connections: int
    revision: str | None
    expected_revision: str

    @property
    def is_migrated(self) -> bool:
        return self.revision == self.expected_revision


async def database_state(session: AsyncSession) -> DatabaseState:
    row = (await session.execute(ANSWER)).one()
    revision = await current_revision(await session.connection())
    return DatabaseState(row.version, row.max_connections, revision, head_revision())
