"""The API behind a real uvicorn socket, in the test's own loop; and raw HTTP to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp

from service.slow_clients import ClientLimits, guard_connections, watch_clients
from shared.children import end

READ_SECONDS = 10.0
PATIENT = ClientLimits()


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    """The port ``app`` is served on."""
    async with serving(app) as server:
        yield port_of(server)


@asynccontextmanager
async def serving(app: ASGIApp, limits: ClientLimits = PATIENT) -> AsyncIterator[uvicorn.Server]:
    """The server of ``app``, guarded as it is in production."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    config.load()
    server = uvicorn.Server(config)
    guard_connections(server, limits)
    running = asyncio.create_task(server.serve())
    watching = asyncio.create_task(watch_clients(server, limits))
    try:
        async with asyncio.timeout(READ_SECONDS):
            while not server.started:
                assert not running.done(), "uvicorn ended before it listened"
                await asyncio.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        await running
        await end(watching)


def port_of(server: uvicorn.Server) -> int:
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


async def exchange(port: int, *pieces: bytes) -> RawAnswer:
    """Send ``pieces`` as they are, and read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(READ_SECONDS):
            for piece in pieces:
                writer.write(piece)
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    finally:
        writer.close()
    return RawAnswer(int(head[0].split()[1]), headers, body)


def request(line: str, *fields: str, host: str = "localhost", body: bytes = b"") -> bytes:
    """A raw request; ``fields`` are header lines."""
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode("latin-1") + body


def posted(path: str, body: bytes, *fields: str, kind: str = "application/json") -> bytes:
    return request(f"POST {path}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *fields, body=body)
