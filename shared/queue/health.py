"""Whether the stores answer, and as what."""

from __future__ import annotations

from shared.broker.health import RedisState, redis_state
from shared.db.statements.health import DatabaseState, database_state
from shared.domain.errors import StoreUnavailable
from shared.patience import in_turns
from shared.queue.stores import Stores

PATIENCE_TURNS = 6
"""With who asks looked up before, every health page is answered within a second."""

__all__ = ["DatabaseState", "RedisState", "database_health", "redis_health"]


async def database_health(stores: Stores) -> DatabaseState | None:
    """None: PostgreSQL is away, or does not answer in time."""
    try:
        return await in_turns(_state(stores), PATIENCE_TURNS)
    except (StoreUnavailable, TimeoutError):
        return None


async def _state(stores: Stores) -> DatabaseState:
    async with stores.db.autocommit() as session:
        return await database_state(session)


async def redis_health(stores: Stores) -> RedisState | None:
    """None: Redis is away."""
    return await redis_state(stores.broker)
