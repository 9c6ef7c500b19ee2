"""Spares callers the wait for a PostgreSQL that is silent. Says nothing of one that is slow, full or refuses.

What waits for a second makes it ask by a connection of its own. Only where that gets no answer at all does it open:
whoever waits is let go, later calls fail at once, and it goes on asking until there is an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context

import asyncpg

from shared.children import end
from shared.db.address import driver_arguments
from shared.domain.errors import StoreUnavailable
from shared.logs import get_logger
from shared.patience import in_turns

SUSPECT_SECONDS = 1.0
PATIENCE_TURNS = 15
AGAIN_SECONDS = 0.5

log = get_logger(__name__)


class Breaker:
    """One process's. ``ask`` returns, or raises, as soon as PostgreSQL says anything."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        self._ask = ask
        self._waiting: set[asyncio.Timeout] = set()
        self._asking: asyncio.Task[None] | None = None
        self.is_open = False

    @contextlib.asynccontextmanager
    async def bounded(self, seconds: float) -> AsyncIterator[None]:
        """Let the block wait for PostgreSQL, so long at most. Raises: StoreUnavailable, TimeoutError."""
        if self.is_open:
            raise StoreUnavailable
        suspicion = asyncio.get_running_loop().call_later(SUSPECT_SECONDS, self.suspect)
        try:
            async with asyncio.timeout(seconds) as bound:
                self._waiting.add(bound)
                try:
                    yield
                finally:
                    self._waiting.discard(bound)
        finally:
            suspicion.cancel()

    def suspect(self) -> None:
        """Ask, unless that is under way."""
        if self._asking is None or self._asking.done():
            # In a context of its own: it speaks for nobody's request.
            self._asking = asyncio.create_task(self._find_out(), name="ask-postgresql", context=Context())

    async def close(self) -> None:
        if self._asking is not None:
            await end(self._asking)

    async def _find_out(self) -> None:
        while await self._is_silent():
            if not self.is_open:
                log.warning("postgresql_silent", waiting=len(self._waiting))
            self.is_open = True
            self._let_go()
            await asyncio.sleep(AGAIN_SECONDS)
        if self.is_open:
            log.info("postgresql_answers")
        self.is_open = False

    async def _is_silent(self) -> bool:
        try:
            await in_turns(self._ask(), PATIENCE_TURNS)
        except TimeoutError:
            return True
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not silence
            log.debug("postgresql_refused", error=type(error).__name__)
        return False

    def _let_go(self) -> None:
        now = asyncio.get_running_loop().time()
        for bound in self._waiting:
            if not bound.expired():
                bound.reschedule(now)


def question(url: str) -> Callable[[], Awaitable[None]]:
    """Whether the PostgreSQL of an engine's URL says anything, by a new connection."""
    arguments = driver_arguments(url)

    async def ask() -> None:
        connection = await asyncpg.connect(**arguments, server_settings={"application_name": "taskrunner-breaker"})
        try:
            await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    return ask
