"""What every verb needs: the database, the broker, and the little that must outlive a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from shared.broker.announce import CALL_TASKS, Final, announce_finals
from shared.broker.connection import Broker
from shared.broker.feed import FeedWriter
from shared.broker.hints import LUA_BATCH, Hint, HintQueue, offer_hints
from shared.children import end
from shared.db.session import Database
from shared.queue.batches import Batches
from shared.queue.live import Live
from shared.queue.outbox import Outbox
from shared.queue.waiting import FinalsWaiter
from shared.settings import Settings
from shared.storage import Storage

HINTS_LIMIT = 20_000
"""What does not fit is dropped, and the poll of the workers finds it."""
FINALS_LIMIT = 4_000
"""What does not fit is dropped, and the poll of those who wait finds it. Each may hold a mebibyte."""
FLUSH_SECONDS = 1.0


class Stores:
    """One process's connections. Use as ``async with Stores(...)``: its children end with the block."""

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
        self.hints = HintQueue(self.broker)
        self.batches = Batches(self.db)
        self.storage = Storage(settings.storage_dir)
        self.finals = FinalsWaiter(self.db, settings.result_url)
        self.feed = FeedWriter(self.broker)
        self.live = Live(self.db, self.broker, settings.result_url)
        self._hints: Outbox[Hint] = Outbox(self._send_hints, most=LUA_BATCH, limit=HINTS_LIMIT)
        self._finals: Outbox[Final] = Outbox(self._send_finals, most=CALL_TASKS, limit=FINALS_LIMIT)
        self._children: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._children = [
            asyncio.create_task(self._hints.run(), name="hints"),
            asyncio.create_task(self._finals.run(), name="ends"),
            asyncio.create_task(self.feed.send_for_ever(), name="feed"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.flush(FLUSH_SECONDS)
        await end(*self._children, *self.finals.children)
        await self.live.close()
        await self.batches.close()
        await self.broker.close()
        await self.db.close()

    def end_waits(self) -> None:
        """Whoever waits for a task or reads a stream is answered with what there is."""
        self.finals.end_waits()
        self.live.end_streams()

    def hint(self, hints: Sequence[Hint]) -> None:
        """Send ``hints`` soon, behind the answer; never waits, never fails."""
        self._hints.put(hints)

    def announce(self, finals: Sequence[Final]) -> None:
        """Tell those who wait for the ends ``finals``, soon; never waits, never fails."""
        self._finals.put(finals)

    async def flush(self, within: float) -> bool:
        """Wait until all that was to be told is told, at most ``within`` seconds; False: not all is."""
        return all(await asyncio.gather(self._hints.flush(within), self._finals.flush(within)))

    async def _send_hints(self, hints: Sequence[Hint]) -> None:
        await offer_hints(self.broker, self.hints, hints)

    async def _send_finals(self, finals: Sequence[Final]) -> None:
        await announce_finals(self.broker, finals, self.settings.result_ttl)
