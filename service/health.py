"""Whether the stores answer. Each look is bounded: a probe that hangs is worse than one that says no."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache

from shared.db.migrate import current_revision, head_revision
from shared.db.session import translated_outages
from shared.domain.errors import StoreUnavailable
from shared.queue.stores import Stores

PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """``database`` and ``broker`` are ok, down or (the database) not_migrated."""

    database: str
    broker: str

    @property
    def status(self) -> str:
        if self.database != "ok":
            return "unavailable"
        return "ok" if self.broker == "ok" else "degraded"


async def readiness(stores: Stores) -> Readiness:
    database, broker_answers = await asyncio.gather(_database(stores), stores.broker.ping())
    return Readiness(database, "ok" if broker_answers else "down")


async def _database(stores: Stores) -> str:
    try:
        with translated_outages():
            async with asyncio.timeout(PATIENCE_SECONDS), stores.db.engine.connect() as connection:
                revision = await current_revision(connection)
    except StoreUnavailable:
        return "down"
    return "ok" if revision == _expected() else "not_migrated"


@cache
def _expected() -> str:
    return head_revision()
