"""A broker over emptied Redis databases; a test that leaves a key living for ever fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio
from redis.asyncio import Redis

from shared.broker.connection import Broker
from shared.broker.keys import QUEUE_PREFIX, WAKE_PREFIX
from shared.settings import Settings

FOR_EVER = -1


@pytest_asyncio.fixture
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    opened = Broker(settings.redis_url.get_secret_value(), settings.result_url)
    await opened.queue.flushdb()
    await opened.results.flushdb()
    yield opened
    leaked = {*await lasting_keys(opened.queue), *await lasting_keys(opened.results)}
    await opened.close()
    assert leaked == set(), "every key has a time to live, or is the set of a queue"


async def lasting_keys(redis: Redis) -> set[str]:
    """Keys without a time to live that are not sets of a queue."""
    keys = {key.decode() async for key in redis.scan_iter(count=1_000)}
    sets = {key for key in keys if key.startswith(QUEUE_PREFIX) and not key.startswith(WAKE_PREFIX)}
    return {key for key in keys - sets if await redis.ttl(key) == FOR_EVER}


async def eventually(holds: Callable[[], Awaitable[bool]], timeout: float = 10.0) -> None:
    """Return once ``holds`` does."""
    deadline = time.monotonic() + timeout
    while not await holds():
        assert time.monotonic() < deadline, f"not within {timeout:g} s"
        await asyncio.sleep(0.01)
