"""The worker's line to Redis: one connection that carries one exchange after another, through every outage.

An exchange whose answer was lost is asked again under its number; the script applies each number once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from redis.asyncio import Connection, Redis
from redis.exceptions import NoScriptError, RedisError

from worker.engine.jobs.exchange import Answer, Ask
from worker.engine.jobs.keys import EXCHANGE_PREFIX
from worker.engine.jobs.scripts import EXCHANGE, Script

ANSWER_SECONDS = 5.0
"""Then the connection is given up: Redis hangs, or the network swallows what it says."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
OUTAGE = (RedisError, OSError, asyncio.TimeoutError)
"""What a call may raise when Redis is away, hangs, or refuses to write."""
logger = logging.getLogger("arq.worker")


class Line:
    """Exchanges of one worker over its queues. One at a time."""

    def __init__(self, redis: Redis, queues: Sequence[str]) -> None:
        self.worker = uuid4().hex
        self.sent = 0
        self.give_up_at: float | None = None
        """Monotonic time after which an outage is no longer waited out."""
        self.is_away = False
        """Whether the last exchange got no answer."""
        self._pool = redis.connection_pool
        self._keys = [EXCHANGE_PREFIX + self.worker, *queues]
        self._connection: Connection | None = None

    async def exchange(self, ask: Ask) -> Answer:
        """Ask until answered.

        Raises: one of ``OUTAGE``, once ``give_up_at`` has come.
        """
        blob, pause = ask.packed(), FIRST_PAUSE_SECONDS
        while True:
            try:
                reply = await self._evaluated(EXCHANGE, blob)
            except OUTAGE as error:
                await self.close()
                if self.give_up_at is not None and time.monotonic() >= self.give_up_at:
                    raise
                if not self.is_away:
                    logger.warning("redis is away, jobs go on: %s %s", type(error).__name__, error)
                self.is_away = True
                # Leases of runs here may have ended meanwhile: the next exchange renews them before it claims. Claimed
                # by this one they would run a second time. (What was claimed and not told is told all the same.)
                blob = replace(ask, want=0).packed()
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 # nosec B311 # no secret
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                if self.is_away:
                    logger.info("redis is back")
                self.is_away = False
                return Answer.of(reply, ask.token)

    async def close(self) -> None:
        """Break the connection: whatever answer may still come on it is nobody's."""
        if (connection := self._connection) is not None:
            self._connection = None
            await connection.disconnect(nowait=True)

    async def _evaluated(self, script: Script, blob: bytes) -> Any:
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                return await self._answered("EVALSHA", script.sha, blob)
            except NoScriptError:
                return await self._answered("EVAL", script.text, blob)

    async def _answered(self, command: str, script: str, blob: bytes) -> Any:
        if (connection := self._connection) is None:
            connection = self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            await connection.connect()
        self.sent += 1
        packed = connection.pack_command(command, script, len(self._keys), *self._keys, blob)
        await connection.send_packed_command(packed)
        return await connection.read_response()
