"""Redis' own clock, where many processes share counts and no other clock."""

from __future__ import annotations

from typing import cast

from shared.broker.connection import Broker


async def redis_seconds(broker: Broker) -> float | None:
    """Seconds since 1970 as Redis has them; None: it is away."""
    found = await broker.guarded(broker.results.time())
    if found is None:
        return None
    seconds, microseconds = cast("tuple[int, int]", found)
    return seconds + microseconds / 1_000_000
