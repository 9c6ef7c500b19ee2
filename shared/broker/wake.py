"""Sleep until somebody adds a due hint: a blocking pop on the wake lists of some queues, on its own connection."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from redis.asyncio import Redis

from shared.broker.connection import OUTAGE, Broker, connect
from shared.broker.keys import is_id, wake_key
from shared.broker.line import Line


class Waker:
    """One worker's sleep. Woken elements are consumed, so sleep only while slots are free."""

    def __init__(self, broker: Broker, url: str, queues: Sequence[str]) -> None:
        self._broker = broker
        # No socket time-out: the server ends the pop by itself, and the caller bounds the wait.
        self._client: Redis = connect(url, socket_timeout=None)
        self._line = Line(self._client)
        self._keys = [wake_key(queue) for queue in queues]

    async def sleep(self, seconds: float) -> str | None:
        """The task somebody woke us for, if they named one; None after ``seconds``, and at once when Redis is away."""
        try:
            found = await self._line.call("BLPOP", *self._keys, max(0.01, seconds))
        except OUTAGE:
            self._broker.trip()
            return None
        # Without an id: something is due soon.
        return found[1].decode() if found and is_id(found[1]) else None

    async def close(self) -> None:
        with contextlib.suppress(*OUTAGE):
            await self._line.close()
            await self._client.aclose()
