"""What is told to Redis behind an answer: hints and ends. Nobody waits for it; where Redis is away it is dropped."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.logs import get_logger

MANY, GATHER_SECONDS = 50, 0.005
Item = TypeVar("Item")
log = get_logger(__name__)


class Outbox(Generic[Item]):
    """Natural batching: each ``send`` carries what gathered while the last one was under way, at most ``most``.

    Behind one of many items more is let gather for a moment: a send wakes another process, which costs as much as a
    hundred items. Nobody waits for one; who does wait, for a task's end, waits that moment longer under load alone.
    ``send`` is bounded in time. Past ``limit`` the oldest items are dropped: each has another
    way to be found.
    """

    def __init__(self, send: Callable[[Sequence[Item]], Awaitable[object]], *, most: int, limit: int) -> None:
        self._send = send
        self._most = most
        self._items: deque[Item] = deque(maxlen=limit)
        self._filled = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()

    def put(self, items: Sequence[Item]) -> None:
        """Send ``items`` soon; never waits, never fails."""
        if items:
            self._items.extend(items)
            self._sent.clear()
            self._filled.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._items:
                sent = [self._items.popleft() for _ in range(min(self._most, len(self._items)))]
                await self._send_some(sent)
                if MANY <= len(sent) < self._most:
                    await asyncio.sleep(GATHER_SECONDS)
            self._sent.set()

    async def _send_some(self, items: Sequence[Item]) -> None:
        try:
            await self._send(items)
        except Exception:
            # Whatever one batch is made of, those behind it are to be told.
            log.exception("outbox_batch_dropped", items=len(items))

    async def flush(self, within: float) -> bool:
        """Wait until everything was sent, at most ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._sent.wait()
        except TimeoutError:
            return False
        return True
