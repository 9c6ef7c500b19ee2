"""dramatiq on Redis: one process of its default eight threads. It has no batch, and keeps no result unless asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL

broker = RedisBroker(url=REDIS_URL)
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(number: int) -> None:
    entered(number)


class Producer:
    async def many(self, count: int) -> None:
        for _ in range(count):
            noop.send(UNNUMBERED)

    async def one(self, number: int) -> None:
        noop.send(number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    try:
        yield Producer()
    finally:
        broker.close()
