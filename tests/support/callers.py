"""HTTP clients that forgive nothing: no retry, and every refused connection and cut request is counted.

httpx would hide some: it looks whether a kept-alive connection is still good, and may repeat itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Callable

from shared.embedded.ports import LOOPBACK

ANSWER_SECONDS = 30.0
BODY = b'{"type": "simple_calculation", "input": {"a": 1, "b": 2, "operation": "add"}}'

Request = tuple[str, str, bytes]
REQUESTS: tuple[Request, ...] = (("POST", "/api/v1/tasks", BODY), ("GET", "/api/v1/tasks?limit=1", b""))


class Callers:
    """Requests against one port, from many clients; ``told`` counts statuses, ``refused`` and ``reset``."""

    def __init__(self, port: int) -> None:
        self.told: Counter[str] = Counter()
        self._port = port

    async def call_until(self, stop: asyncio.Event, *, pause: Callable[[], float], is_kept: bool) -> None:
        """One client: submits and reads in turn, with a pause before each, over a kept or a fresh connection."""
        connection: Connection | None = None
        try:
            for request in itertools.cycle(REQUESTS):
                await asyncio.sleep(pause())
                if stop.is_set():
                    return
                if connection is None or connection.has_ended:
                    connection = await self._connected()
                if connection is not None:
                    self.told[await self._told(connection, request, is_last=not is_kept)] += 1
        finally:
            if connection is not None:
                connection.close()

    async def _connected(self) -> Connection | None:
        try:
            return await Connection.open(self._port)
        except ConnectionRefusedError:
            self.told["refused"] += 1
            return None

    async def _told(self, connection: Connection, request: Request, *, is_last: bool) -> str:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await connection.ask(request, is_last=is_last)
        except (OSError, asyncio.IncompleteReadError):
            connection.close()
            return "reset"


class Connection:
    """One HTTP/1.1 connection. Both ends may close it; what is sent after that is lost."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_last = False

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection(LOOPBACK, port))

    @property
    def has_ended(self) -> bool:
        """Whether nothing more may be asked: the answer said so, or the end has been seen."""
        return self._is_last or self._reader.at_eof() or self._writer.is_closing()

    async def ask(self, request: Request, *, is_last: bool) -> str:
        """The status of the answer. Raises: OSError, IncompleteReadError where none comes."""
        method, path, body = request
        fields = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", f"Content-Length: {len(body)}"]
        if body:
            fields.append("Content-Type: application/json")
        if is_last:
            fields.append("Connection: close")
        self._writer.write("\r\n".join([*fields, "", ""]).encode() + body)
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:"))
        await self._reader.readexactly(length)
        if "\r\nconnection: close\r\n" in head:
            self._is_last = True
            self.close()
        return head.split()[1]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()


def now_and_then(most: float) -> Callable[[], float]:
    """Pauses of any length up to ``most`` seconds."""
    return lambda: random.uniform(0, most)  # noqa: S311 - a load, not a secret
