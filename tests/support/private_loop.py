"""Real stores on an event loop of their own, for tests that are not coroutines: Hypothesis drives those step by step.

Nothing here meets the loop of the other tests, and nothing moves between two steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from sqlalchemy import text

from shared.broker.hints import Hint, Taken
from shared.db.heartbeat import HeartbeatConnection
from shared.queue.stores import Stores
from shared.settings import Settings
from tests.support.stores import QUEUES

T = TypeVar("T")


class StoresByHand(Stores):
    """Hints gather until they are sent by hand: so a step does the same each time it is repeated."""

    unsent: list[Hint]

    def hint(self, hints: Sequence[Hint]) -> None:
        self.unsent.extend(hints)

    async def send_hints(self) -> None:
        await self.hints.add(self.unsent)
        self.unsent.clear()


class PrivateLoop:
    """Opened when made; ``close`` it."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._opened = AsyncExitStack()
        self.heartbeat = self.run(self._open(settings))

    async def _open(self, settings: Settings) -> HeartbeatConnection:
        stores = StoresByHand(settings, pool_size=8, overflow=0, application="private-loop")
        stores.unsent = []
        self.stores = await self._opened.enter_async_context(stores)
        url = settings.database_url.get_secret_value()
        return await self._opened.enter_async_context(await HeartbeatConnection.open(url))

    def run(self, work: Awaitable[T]) -> T:
        return self._runner.run(_awaited(work))

    def execute(self, statement: str, **parameters: object) -> None:
        async def execute() -> None:
            async with self.stores.db.autocommit() as session:
                await session.execute(text(statement), parameters)

        self.run(execute())

    def take_hints(self, most: int) -> Taken:
        self.run(self.stores.send_hints())
        return self.run(self.stores.hints.take(QUEUES, most))

    def flush(self) -> None:
        self.run(self.stores.send_hints())
        self.run(self.stores.broker.queue.flushdb())

    def close(self) -> None:
        self.run(self._opened.aclose())
        self._runner.close()


async def _awaited(work: Awaitable[T]) -> T:
    return await work
