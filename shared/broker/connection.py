"""Connections to Redis, and the breaker that keeps its outages from costing anybody a wait."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Iterable
from importlib.resources import files
from typing import Any, TypeVar

import hiredis
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.broker.line import Script

T = TypeVar("T")

SOCKET_TIMEOUT = 0.25
CONNECT_TIMEOUT = 1.0
BREAK_SECONDS = 1.0

KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
"""Who only listens has no time-out: where a machine vanishes without a word, or a firewall forgets a quiet connection,
the kernel finds it out within half a minute."""

OUTAGE = (RedisError, OSError, asyncio.TimeoutError)
"""What a call may raise when Redis is away, hangs, or refuses to write."""


class Broker:
    """The two databases of one process. Every call through ``guarded`` is bounded in time.

    After a failure the breaker stays open for a second: calls answer None at once instead of each
    paying the time-out.
    """

    def __init__(self, queue_url: str, result_url: str) -> None:
        self.queue = connect(queue_url)
        self.results = connect(result_url)
        self._scripts: list[Script] = []
        self.finals = self.script(self.results, "finals.lua")
        self._open_until = 0.0

    def script(self, client: Redis, name: str) -> Script:
        """The script ``name`` of this package on a connection of its own, closed with the broker."""
        script = Script(client, files("shared.broker").joinpath(name).read_text())
        self._scripts.append(script)
        return script

    @property
    def is_away(self) -> bool:
        """Whether the last call failed less than a second ago."""
        return time.monotonic() < self._open_until

    async def guarded(self, call: Awaitable[T], *, timeout: float = SOCKET_TIMEOUT) -> T | None:
        """The answer of ``call``; None when Redis is away, hangs past ``timeout`` seconds, or the breaker is open."""
        if self.is_away:
            if asyncio.iscoroutine(call):
                call.close()
            return None
        cancels = _cancels_so_far()
        try:
            async with asyncio.timeout(timeout):
                answer: T | None = await call
        except OUTAGE:
            self.trip()
            answer = None
        if _cancels_so_far() > cancels:
            # redis-py's wait_for drops a cancel that meets an answer (Python 3.11): it is not its to keep.
            raise asyncio.CancelledError
        return answer

    def trip(self) -> None:
        """Remember that Redis just failed."""
        self._open_until = time.monotonic() + BREAK_SECONDS

    async def ping(self) -> bool:
        return bool(await self.guarded(self.queue.ping())) and bool(await self.guarded(self.results.ping()))

    async def close(self) -> None:
        for script in self._scripts:
            await script.close()
        for client in (self.queue, self.results):
            await client.aclose()


def _cancels_so_far() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def connect(url: str, *, socket_timeout: float | None = SOCKET_TIMEOUT) -> Redis:
    """A client that never waits longer than its time-outs, and connects when first used."""
    # A pool that makes callers wait: redis-py's plain one calls the 51st at once an error, as if Redis were away.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=50,
        timeout=SOCKET_TIMEOUT,
        socket_timeout=socket_timeout,
        socket_connect_timeout=CONNECT_TIMEOUT,
        health_check_interval=0,
    )
    if issubclass(pool.connection_class, Connection):
        pool.connection_kwargs |= {"socket_keepalive": True, "socket_keepalive_options": KEEPALIVE}
    mend_writes(pool)
    return Redis.from_pool(pool)


def mend_writes(pool: ConnectionPool) -> None:
    """Have the connections that ``pool`` makes from now on write as ``_Writes`` does."""
    # Of whichever kind the URL asked for: TCP, TLS or a Unix socket.
    pool.connection_class = type("Connection", (_Writes, pool.connection_class), {})


class _Writes(AbstractConnection):
    """Packs in C, where redis-py's asyncio side does it in Python, a piece an argument.

    Writes without redis-py's ``wait_for``, which in Python 3.11 makes a task of each write, and loses cancels.

    Where a connection was just reset, uvloop meets a write with RuntimeError: an outage, told as what it is.
    asyncio's own loop raises an OSError there.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        # A name like "CLIENT SETINFO" is two words on the wire.
        words = args[0].split() if isinstance(args[0], str) else [args[0]]
        return [hiredis.pack_command((*words, *args[1:]))]

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call] # redis-py's own gap
        elif check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        packed = command.encode() if isinstance(command, str) else command
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([packed] if isinstance(packed, bytes) else packed)
        except TimeoutError as error:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("while writing to Redis") from error
        except (RuntimeError, OSError) as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"while writing to Redis: {error}") from error
        except BaseException:
            # Half a command may be on its way: the connection is of no use any more.
            await self.disconnect(nowait=True)
            raise


def channel_of(client: Redis, name: str) -> str:
    """The channel ``name`` of this client's database: Redis itself keeps channels apart from no database."""
    return f"taskrunner:{client.connection_pool.connection_kwargs.get('db') or 0}:{name}"
