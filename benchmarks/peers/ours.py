"""Ours: the verb behind POST, without HTTP, as the others are called without; each batch is one statement.

The one adapter that runs in our environment, on addresses in our own variables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.peers.ledger import UNNUMBERED
from shared.db.migrate import upgrade
from shared.queue.planning import Request, plan
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import Registry, discover
from shared.settings import Settings, load_settings

BATCH = 1_000
TENANT = 1


class Producer:
    def __init__(self, stores: Stores, registry: Registry, settings: Settings) -> None:
        self._stores, self._registry, self._settings = stores, registry, settings

    async def many(self, count: int) -> None:
        for done in range(0, count, BATCH):
            await self._submit(UNNUMBERED, min(BATCH, count - done))

    async def one(self, number: int) -> None:
        await self._submit(number, 1)

    async def _submit(self, number: int, count: int) -> None:
        request = Request(type="bench_noop", input={"number": number})
        planned = [plan(self._registry, self._settings, request) for _ in range(count)]
        await submit(self._stores, TENANT, planned)


@asynccontextmanager
async def producer() -> AsyncIterator[Producer]:
    settings = load_settings()
    async with Stores(settings, pool_size=4, overflow=0, application="bench") as stores:
        yield Producer(stores, discover(settings.task_modules), settings)


async def prepare() -> None:
    await upgrade(load_settings().database_url.get_secret_value())
