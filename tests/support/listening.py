"""One reader of a stream of events over a real connection: what it has seen so far, and how to break it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.client.sse import Decoder, Message

PATIENCE_S, POLL_S = 20.0, 0.005


class Listener:
    """Reads as soon as it is made; ``seen`` grows. ``comments`` are those of the stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.seen: list[Message] = []
        self.comments: list[str] = []
        self.reading = asyncio.create_task(self._read())

    @property
    def names(self) -> list[str]:
        return [message.event for message in self.seen]

    @property
    def text(self) -> str:
        return text_of(self.seen)

    @property
    def statuses(self) -> list[str]:
        return [data_of(message)["status"] for message in self.seen if message.event == "status"]

    async def until(self, holds: Callable[[Listener], bool]) -> None:
        """Until what was seen is as wanted. Fails when the stream ends before, or at the deadline."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds(self):
            assert not self.reading.done(), f"ended before: {self.seen}"
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {self.seen}"
            await asyncio.wait({self.reading}, timeout=POLL_S)

    async def ended(self) -> None:
        """Until the stream ends, well or not."""
        await asyncio.wait({self.reading}, timeout=PATIENCE_S)
        assert self.reading.done(), f"still open after {PATIENCE_S:g} s: {self.seen}"

    async def _read(self) -> None:
        decoder = Decoder()
        async for piece in self.response.aiter_bytes():
            self.comments += [line for line in piece.decode().split("\n") if line.startswith(":")]
            self.seen += decoder.feed(piece)


def data_of(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(message.data)
    return data


def text_of(messages: list[Message]) -> str:
    """What was said, pieced together."""
    return "".join(data_of(message)["delta"] for message in messages if message.event == "output")


@asynccontextmanager
async def listening(
    url: str, path: str, *, after: str | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Listener]:
    """A reader of the stream at ``path``, behind the id ``after``; its connection is its own."""
    own = {**(headers or {}), **({"Last-Event-ID": after} if after else {})}
    async with (
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as http,
        http.stream("GET", path, headers=own) as response,
    ):
        assert response.status_code == 200, await response.aread()
        listener = Listener(response)
        try:
            yield listener
        finally:
            listener.reading.cancel()
            await asyncio.gather(listener.reading, return_exceptions=True)
