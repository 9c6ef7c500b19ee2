"""How many requests each API key made in the current window, over all API processes: sums that expire.

A number to slow callers down by. It is exchanged now and then, behind the requests, and none waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.broker.clock import redis_seconds
from shared.broker.connection import Broker
from shared.broker.keys import rate_key


@dataclass(frozen=True, slots=True)
class Shared:
    """What all processes counted in the window that ``now``, Redis' time, falls into."""

    now: float
    sums: Mapping[str, int]


async def exchange_counts(broker: Broker, made: Mapping[str, int], *, window_seconds: int) -> Shared | None:
    """Add what this process counted, by key, and read the sums; None: Redis is away."""
    now = await redis_seconds(broker)
    if now is None:
        return None
    pipe = broker.results.pipeline(transaction=False)
    for key_id, count in made.items():
        key = rate_key(key_id, int(now // window_seconds))
        pipe.incrby(key, count)
        pipe.expire(key, 2 * window_seconds)
    answers = await broker.guarded(pipe.execute())
    if answers is None:
        return None
    return Shared(now, dict(zip(made, map(int, answers[::2]), strict=True)))
