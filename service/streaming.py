"""Server-Sent Events to one client: how they are written, how many streams may be open, and what ends one.

A stream holds no buffer of its own: what the client does not take stays in the stores. One that takes nothing for a
while is cut, and so is one that is old; either way its client resumes behind the last id it saw.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.draining import abort
from service.problems import Problem
from service.views import to_json
from shared.children import end
from shared.domain.live import Event
from shared.logs import get_logger
from shared.queue.keys import Principal

MEDIA_TYPE = "text/event-stream"
PING_SECONDS = 15.0
SLOW_SECONDS = 30.0
LONGEST_SECONDS = 900.0
"""A key that was revoked reads no longer than that."""
PER_PROCESS, PER_KEY = 1_000, 200
RETRY_AFTER = {"Retry-After": "5"}
OPENING = b": a stream of events\nretry: 500\n\n"
PING = b": ping\n\n"
LISTENING = b": listening\n\n"
HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

log = get_logger(__name__)


class Streams:
    """How many streams are open in this process, and whose."""

    def __init__(self, *, per_process: int = PER_PROCESS, per_key: int = PER_KEY) -> None:
        self._per_process = per_process
        self._per_key = per_key
        self._open: Counter[tuple[int, str | None]] = Counter()

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open.total()

    def take(self, principal: Principal) -> Place:
        """A place for one more. Raises: Problem (429)."""
        whose = (principal.tenant_id, principal.key_id)
        if self.open >= self._per_process:
            raise Problem("too_many_streams", "This process has no room for another stream.", headers=RETRY_AFTER)
        if self._open[whose] >= self._per_key:
            detail = f"A key may have {self._per_key} streams open at a time."
            raise Problem("too_many_streams", detail, headers=RETRY_AFTER)
        self._open[whose] += 1
        return Place(self._open, whose)


class Place:
    """The right to one open stream, given back once."""

    def __init__(self, held: Counter[tuple[int, str | None]], whose: tuple[int, str | None]) -> None:
        self._held = held
        self._whose = whose

    def give_back(self) -> None:
        self._held[self._whose] -= 1
        self._held += Counter()  # keeps those above zero


class SlowReader(Exception):
    """The client has taken nothing for too long."""


class EventStream(Response):
    """An answer that goes on until its events end, its client leaves, or its time is over."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[Event | None, None], place: Place) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            await asyncio.wait({sending})
            if not sending.cancelled():
                sending.result()
            if not leaving.done():
                await _taken(send({"type": "http.response.body", "body": b"", "more_body": False}))
        except SlowReader:
            log.info("slow_reader_cut", path=scope["path"])
            abort(scope)
            await asyncio.wait({leaving}, timeout=SLOW_SECONDS)
        finally:
            self._place.give_back()
            await end(sending, leaving)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(_frames(self._events)) as frames:
            async for frame in frames:
                await _taken(send({"type": "http.response.body", "body": frame, "more_body": True}))


async def _frames(events: AsyncGenerator[Event | None, None]) -> AsyncGenerator[bytes, None]:
    """The events as they are sent, with a comment after each while of silence."""
    yield OPENING
    async with aclosing(events):
        coming: asyncio.Task[Event | Literal["end"] | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(events))
                await asyncio.wait({coming}, timeout=PING_SECONDS)
                if not coming.done():
                    yield PING
                    continue
                event, coming = coming.result(), None
                if event == "end":
                    return
                yield LISTENING if event is None else frame_of(event)
        finally:
            if coming is not None:
                await end(coming)


async def _next(events: AsyncGenerator[Event | None, None]) -> Event | Literal["end"] | None:
    return await anext(events, "end")


def frame_of(event: Event) -> bytes:
    """The event on the wire. JSON holds no line break."""
    data = event.data if isinstance(event.data, bytes) else to_json(event.data)
    head = f"id: {event.id}\nevent: {event.name}\ndata: " if event.id else f"event: {event.name}\ndata: "
    return head.encode() + data + b"\n\n"


async def _taken(sending: Awaitable[None]) -> None:
    """Raises: SlowReader, where the client leaves it lying."""
    try:
        async with asyncio.timeout(SLOW_SECONDS):
            await sending
    except TimeoutError:
        raise SlowReader from None


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
