"""A line: one connection to Redis, held for scripts that run so often that a pool's bookkeeping costs more."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError


class Line:
    """Connects when first used, and anew after a failure. One command at a time: callers take turns."""

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        self._turn = asyncio.Lock()
        self._held: AbstractConnection | None = None

    async def call(self, *command: Any) -> Any:
        """The answer to ``command``, which may run twice: a server may have cut the held connection long ago.

        Raises what redis-py raises.
        """
        async with self._turn:
            if self._held is not None:
                try:
                    return await self._asked(self._held, command)
                except RedisConnectionError:
                    pass
            return await self._asked(await self._connected(), command)

    async def close(self) -> None:
        async with self._turn:
            await self._drop()

    async def _connected(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's gap
        self._held = connection
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await self._drop()  # a caller may have given up between the socket and the greeting
            raise
        return connection

    async def _asked(self, connection: AbstractConnection, command: Sequence[Any]) -> Any:
        try:
            await connection.send_packed_command(connection.pack_command(*command), check_health=False)
            return await connection.read_response()
        except ResponseError:
            raise  # an answer like any other
        except BaseException:
            # What comes on it from now on would answer a question that nobody asked.
            await self._drop()
            raise

    async def _drop(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.disconnect(nowait=True)


class Script:
    """A Lua script on a line of its own."""

    def __init__(self, client: Redis, source: str) -> None:
        self._line = Line(client)
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = ()) -> Any:
        """Run it. Raises what redis-py raises."""
        try:
            return await self._line.call("EVALSHA", self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._line.call("EVAL", self._source, len(keys), *keys, *args)

    async def close(self) -> None:
        await self._line.close()
