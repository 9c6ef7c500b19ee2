"""One client that waits for many tasks at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from service.client import AsyncClient, transport

DONE = json.dumps({"id": "x", "type": "t", "status": "COMPLETED"}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(DONE), DONE)


@asynccontextmanager
async def polled(held: Callable[[], Awaitable[object]]) -> AsyncIterator[str]:
    """The address of a service whose long polls end when ``held`` does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await held()
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def all_completed(client: AsyncClient, number: int) -> bool:
    tasks = await asyncio.gather(*(client.wait(str(n), timeout=60) for n in range(number)))
    return all(task.is_completed for task in tasks)


async def test_hundreds_of_tasks_are_waited_for_at_once() -> None:
    """The polls end when all are there: with the hundred connections that httpx has, none would."""
    everybody = asyncio.Barrier(150)
    async with polled(everybody.wait) as url, AsyncClient(url, timeout=3) as client:
        assert await all_completed(client, 150)


async def test_more_polls_than_connections_queue_and_do_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECTIONS", 1)
    async with polled(lambda: asyncio.sleep(0.4)) as url, AsyncClient(url, timeout=0.2) as client:
        assert await all_completed(client, 6)
