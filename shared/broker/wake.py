"""Sleep until somebody adds a due hint: a blocking pop on the wake lists of some queues, on its own connection."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Sequence
from typing import cast
from uuid import UUID

from redis.asyncio import Redis

from shared.broker.connection import OUTAGE, Broker, connect
from shared.broker.keys import wake_key


class Waker:
    """One worker's sleep. Woken elements are consumed, so sleep only while slots are free."""

    def __init__(self, broker: Broker, url: str, queues: Sequence[str]) -> None:
        self._broker = broker
        # No socket time-out: the server ends the pop by itself, and the caller bounds the wait.
        self._client: Redis = connect(url, socket_timeout=None)
        self._keys = [wake_key(queue) for queue in queues]

    async def sleep(self, seconds: float) -> UUID | None:
        """The task somebody woke us for; None after ``seconds`` without any, and at once when Redis is away."""
        try:
            woken = cast(
                "Awaitable[tuple[bytes, bytes] | None]",
                self._client.blpop(self._keys, timeout=cast("int", max(0.01, seconds))),
            )
            found = await woken
            return UUID(found[1].decode()) if found else None
        except OUTAGE:
            self._broker.trip()
        except ValueError:
            pass  # without an id: something is due soon
        return None

    async def close(self) -> None:
        with contextlib.suppress(*OUTAGE):
            await self._client.aclose()
