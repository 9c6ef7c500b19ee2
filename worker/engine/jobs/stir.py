"""A wait that can be ended from outside: ``asyncio.wait_for`` on an event would make a task each time."""

from __future__ import annotations

import asyncio


class Stir:
    """One waiter. A stir that comes before the wait ends it at once."""

    def __init__(self) -> None:
        self.is_stirred = False
        self._waiter: asyncio.Future[None] | None = None

    def stir(self) -> None:
        self.is_stirred = True
        if self._waiter is not None:
            _wake(self._waiter)

    async def wait(self, seconds: float) -> None:
        """Return when stirred, at the latest after ``seconds``."""
        if not self.is_stirred:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        self.is_stirred = False


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
