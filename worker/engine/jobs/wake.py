"""Wakes: a worker with free slots blocks on a list of at most one element, which our producers fill."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from worker.engine.jobs.keys import IN_LUA, wake_key
from worker.engine.jobs.line import OUTAGE
from worker.engine.jobs.pump import Pump

BLOCK_SECONDS = 2
AWAY_SECONDS = 0.5
logger = logging.getLogger("arq.worker")


async def listen(redis: Redis, queues: Sequence[str], pump: Pump) -> None:
    """Stir ``pump`` when woken, for ever, on a connection of its own. While Redis is away the pump polls."""
    keys = [wake_key(queue) for queue in queues]
    while True:
        await pump.is_idle.wait()
        try:
            async with asyncio.timeout(BLOCK_SECONDS + 5):
                woken = await cast("Awaitable[Any]", redis.blpop(keys, timeout=BLOCK_SECONDS))
            if woken and pump.room:
                pump.stir()
            elif woken:
                await wake(redis, woken[0].decode())  # meant for a worker with a free slot
                await asyncio.sleep(AWAY_SECONDS)
        except OUTAGE as error:
            logger.debug("no wakes: %s", error)
            await asyncio.sleep(AWAY_SECONDS)


async def wake(redis: Redis, key: str) -> None:
    """Wake one worker that blocks on the list ``key``, or the next one to block."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(key)
        pipe.lpush(key, 1)
        pipe.pexpire(key, int(IN_LUA["WAKE_MS"]))
        await pipe.execute()
