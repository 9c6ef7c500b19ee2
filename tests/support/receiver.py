"""A receiver of webhooks: a real HTTP server on loopback, whose answers a test scripts, even the bad manners."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from standardwebhooks import Webhook

from tests.support.faults import until

HANG, DRIP = "hang", "drip"
"""Never answer; answer a byte at a time, for ever."""
REASONS = {200: "OK", 204: "No Content", 302: "Found", 410: "Gone", 429: "Too Many Requests", 500: "Broken"}
Answer = int | str
"""A status, HANG or DRIP."""


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return orjson.loads(self.body)

    def verified(self, secret: str) -> Any:
        """The event, as the specification's own library reads it. Raises: WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers 204, or the next of ``script``; ``always`` is for every request. A context manager."""

    always: Answer = 204
    script: deque[Answer] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    _server: asyncio.Server | None = None
    _held: set[asyncio.Task[Any]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for held in self._held:
            held.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def of(self, task_id: object) -> list[Call]:
        """The calls about one task."""
        return [call for call in self.calls if call.event["data"]["id"] == str(task_id)]

    async def got(self, number: int, timeout: float = 20.0) -> list[Call]:
        """Wait until ``number`` calls came."""
        await until(lambda: len(self.calls) >= number, timeout, f"{number} calls, {len(self.calls)} came")
        return self.calls

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._held.add(me)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._exchange(reader, writer)
        finally:
            self.open_now -= 1
            self._held.discard(me)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields if f)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.calls.append(Call(line.split()[1], headers, body))
        answer = self.script.popleft() if self.script else self.always
        if answer == HANG:
            await reader.read()  # until the other side gives up
            return
        if answer == DRIP:
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not reader.at_eof():
                writer.write(b"z")
                await writer.drain()
                await asyncio.sleep(0.05)
            return
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        reason = REASONS.get(int(answer), "Said")
        writer.write(f"HTTP/1.1 {answer} {reason}\r\n{more}Connection: close\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
