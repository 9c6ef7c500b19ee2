"""SAQ on Redis, with ``concurrency`` raised to the slots of the others. It has no batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue

from benchmarks.peers.gathering import submit_each
from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL, SLOTS


async def noop(_context: dict[str, Any], *, number: int) -> int:
    return entered(number)


queue = Queue.from_url(REDIS_URL)
settings = {"queue": queue, "functions": [noop], "concurrency": SLOTS}


class Producer:
    async def many(self, count: int) -> None:
        await submit_each(lambda: queue.enqueue("noop", number=UNNUMBERED), count)

    async def one(self, number: int) -> None:
        await queue.enqueue("noop", number=number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    await queue.connect()
    try:
        yield Producer()
    finally:
        await queue.disconnect()
