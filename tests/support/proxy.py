"""A TCP proxy on loopback that breaks connections on demand: between our processes and a store.

It knows no protocol; the one thing it looks for is a needle of bytes, so that a test can lose the reply to
exactly one request. It lives in the loop it is opened in: a test that blocks its loop hangs its proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from shared.embedded.ports import LOOPBACK

CHUNK_BYTES = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST, not FIN."""


class Lane:
    """One direction of every connection: flowing, hung, or late by ``delay`` seconds a piece."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._flows = asyncio.Event()
        self._flows.set()

    def hang(self) -> None:
        """Forward nothing; whatever arrives is kept. Nobody is told."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()
        self.delay = 0.0

    async def passes(self) -> None:
        """Return when a piece may go on."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._flows.wait()


class Loss:
    """The reply to one request, to be lost: ``is_held`` once the request went on to the server."""

    def __init__(self, needle: bytes) -> None:
        self.needle = needle
        self.is_held = asyncio.Event()

    async def held(self, timeout: float = 30.0) -> None:
        async with asyncio.timeout(timeout):
            await self.is_held.wait()


class Link:
    """One connection through the proxy: two streams, and whether its replies are held."""

    def __init__(self, proxy: Proxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._replies_flow = asyncio.Event()
        self._replies_flow.set()
        self.carrier = asyncio.ensure_future(self._carry())

    def cut(self) -> None:
        """Break both sides with RST; what is held is lost."""
        self._client.reset()
        self._server.reset()
        self.carrier.cancel()

    async def _carry(self) -> None:
        try:
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(self._requests())
                lanes.create_task(self._replies())
        finally:
            self._client.close()
            self._server.close()

    async def _requests(self) -> None:
        while piece := await self._client.read():
            await self._proxy.requests.passes()
            if self._proxy.takes_loss(piece):
                self._replies_flow.clear()
            await self._server.write(piece)
        self._server.end()

    async def _replies(self) -> None:
        while piece := await self._server.read():
            await self._proxy.replies.passes()
            await self._replies_flow.wait()
            await self._client.write(piece)
        self._client.end()


class Stream:
    """One side of a link. A broken one reads as ended, and what is written to it is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(CHUNK_BYTES)
        except OSError:
            return b""

    async def write(self, piece: bytes) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(piece)
            await self._writer.drain()

    def end(self) -> None:
        """Say that no more comes (FIN)."""
        with contextlib.suppress(OSError, RuntimeError):  # it is closed already
            self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Break it with RST; what was not delivered is lost."""
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._writer.transport.abort()


class Proxy:
    """``async with Proxy.before(url) as proxy``: give ``proxy.url`` to the processes under test.

    ``requests`` and ``replies`` are its two lanes. Everything may be called at any time, from its loop.
    """

    def __init__(self, host: str, port: int, url: str = "") -> None:
        self.requests = Lane()
        self.replies = Lane()
        self.connections = 0
        """How many were ever made."""
        self._target = (host, port)
        self._url = url
        self._links: set[Link] = set()
        self._loss: Loss | None = None
        self._listener: asyncio.Server | None = None
        # Bound and never listened on: it keeps the port ours while connections are refused.
        self._place = _bound(0)
        self.port: int = self._place.getsockname()[1]

    @classmethod
    def before(cls, url: str) -> Proxy:
        """A proxy before the server that ``url`` names."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None, f"name the port: {url}"
        return cls(parts.hostname, parts.port, url)

    @property
    def url(self) -> str:
        return self.instead_of(self._url)

    def instead_of(self, url: str) -> str:
        """``url`` through this proxy: for further databases of the same server."""
        parts = urlsplit(url)
        who, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{who}{at}{LOOPBACK}:{self.port}"))

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.refuse()
        carriers = [link.carrier for link in self._links]
        self.cut()
        await asyncio.gather(*carriers, return_exceptions=True)
        self.release_port()

    def release_port(self) -> None:
        """Give the port back: for a proxy that was never opened."""
        self._place.close()

    def refuse(self) -> None:
        """Answer new connections with RST, as a port does that nobody listens on. Those made stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def accept(self) -> None:
        """Take new connections."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._carry, sock=_bound(self.port))

    def cut(self) -> None:
        """Break every connection with RST, both ways. What is held of them is lost."""
        for link in list(self._links):
            link.cut()

    def hang(self) -> None:
        """Forward nothing either way, and tell nobody; new connections are taken, and hang."""
        self.requests.hang()
        self.replies.hang()

    def flow(self) -> None:
        """Forward again, at once; what was held is delivered."""
        self.requests.flow()
        self.replies.flow()

    def lose_reply_to(self, needle: bytes) -> Loss:
        """Hold, from the next request on that contains ``needle``, the replies of its connection; then ``cut``."""
        self._loss = Loss(needle)
        return self._loss

    def takes_loss(self, piece: bytes) -> bool:
        loss = self._loss
        if loss is None or loss.needle not in piece:
            return False
        self._loss = None
        loss.is_held.set()
        return True

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Stream(reader, writer)
        try:
            server = Stream(*await asyncio.open_connection(*self._target))
        except OSError:
            client.reset()
            return
        self.connections += 1
        link = Link(self, client, server)
        self._links.add(link)
        link.carrier.add_done_callback(lambda _: self._links.discard(link))


def _bound(port: int) -> socket.socket:
    """A socket on the port, beside others of ours that are."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind((LOOPBACK, port))
    place.setblocking(False)
    return place
