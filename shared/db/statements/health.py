"""What the health checks ask of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.migrate import current_revision, is_sufficient

ANSWER = text("""
    SELECT current_setting('server_version') AS version, current_setting('max_connections')::int AS max_connections
""")


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What PostgreSQL says of itself; ``revision`` None: never migrated."""

    version: str
    max_connections: int
    revision: str | None

    @property
    def is_migrated(self) -> bool:
        """A newer release's schema will do: while it is rolled out, processes of this one serve on."""
        return self.revision is not None and is_sufficient(self.revision)


async def database_state(session: AsyncSession) -> DatabaseState:
    row = (await session.execute(ANSWER)).one()
    revision = await current_revision(await session.connection())
    return DatabaseState(row.version, row.max_connections, revision)
