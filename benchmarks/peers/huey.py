"""huey on Redis with ten worker threads. It has no batch; results are kept until they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from huey import RedisHuey

from benchmarks.peers.ledger import UNNUMBERED, entered
from benchmarks.peers.protocol import REDIS_URL

huey = RedisHuey("bench", url=REDIS_URL)


@huey.task()
def noop(number: int) -> int:
    return entered(number)


class Producer:
    async def many(self, count: int) -> None:
        for _ in range(count):
            noop(UNNUMBERED)

    async def one(self, number: int) -> None:
        noop(number)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    yield Producer()
