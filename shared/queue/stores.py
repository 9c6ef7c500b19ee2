"""What every verb needs: the database, the broker, and the little that must outlive a request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Self

from shared.broker.connection import Broker
from shared.broker.hints import LUA_BATCH, Hint, HintQueue, offer_hints
from shared.children import end
from shared.db.session import Database
from shared.queue.batches import Batches
from shared.queue.waiting import FinalsWaiter
from shared.settings import Settings
from shared.storage import Storage

OUTBOX_LIMIT = 20_000
"""Hints waiting to be sent behind the answers; what does not fit is dropped, and the poll finds it."""


class Stores:
    """One process's connections. Use as ``async with Stores.open(...)``; children end with it."""

    def __init__(
        self, settings: Settings, *, pool_size: int, overflow: int, application: str, patience: float | None = None
    ) -> None:
        self.settings = settings
        self.db = Database(
            settings.database_url.get_secret_value(),
            pool_size=pool_size,
            overflow=overflow,
            recycle=settings.pool_recycle,
            application=application,
            patience=patience,
        )
        self.broker = Broker(settings.redis_url.get_secret_value(), settings.result_url)
        self.hints = HintQueue(self.broker.queue)
        self.batches = Batches(self.db)
        self.storage = Storage(settings.storage_dir)
        self.finals = FinalsWaiter(self.db, settings.result_url)
        self._outbox: deque[Hint] = deque(maxlen=OUTBOX_LIMIT)
        self._outbox_filled = asyncio.Event()
        self._children: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._children = [asyncio.create_task(self._send_hints(), name="hints")]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(*self._children, *self.finals.children)
        await self.batches.close()
        await self.broker.close()
        await self.db.close()

    def hint(self, hints: Sequence[Hint]) -> None:
        """Send ``hints`` soon, behind the answer; never waits, never fails."""
        self._outbox.extend(hints)
        self._outbox_filled.set()

    async def _send_hints(self) -> None:
        """Natural batching: each round sends what gathered while the last one was under way."""
        while True:
            await self._outbox_filled.wait()
            self._outbox_filled.clear()
            while self._outbox:
                batch = [self._outbox.popleft() for _ in range(min(LUA_BATCH, len(self._outbox)))]
                await offer_hints(self.broker, self.hints, batch)
