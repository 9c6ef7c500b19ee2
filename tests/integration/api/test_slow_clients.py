"""Clients that keep the API waiting, ask too much at once, or are too many: over real sockets, with short limits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import orjson
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI

import service.streaming
from service.slow_clients import ClientLimits
from tests.integration.api.conftest import SUM
from tests.integration.api.lives import Life
from tests.integration.api.served import exchange, port_of, posted, request, serving
from tests.integration.broker.conftest import eventually
from tests.support.listening import listening

TASKS, FILES = "/api/v1/tasks", "/api/v1/files"
ENOUGH = 20.0
SHORT = ClientLimits(
    head_seconds=0.3, grace_seconds=0.3, least_rate=1_000, rest_seconds=0.3, connections=100, look_seconds=0.05
)
LONGER_THAN_ANY = 1.0
PING = request("GET /health/live")
CHUNKED = request(f"POST {TASKS}", "Content-Type: application/json", "Transfer-Encoding: chunked")


@pytest_asyncio.fixture
async def server(app: FastAPI) -> AsyncIterator[uvicorn.Server]:
    async with serving(app, SHORT) as server:
        yield server


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    return port_of(server)


class Client:
    """One connection, and what came over it to its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.reading = asyncio.create_task(_all_of(reader))

    async def told(self) -> bytes:
        """All that was answered, once the API has ended the connection."""
        async with asyncio.timeout(ENOUGH):
            return await asyncio.shield(self.reading)

    async def drip(self, piece: bytes, pause: float = 0.01) -> None:
        """Send ``piece`` again and again, until the connection is no more."""
        with suppress(ConnectionError):
            while not self.reading.done():
                self.writer.write(piece)
                await self.writer.drain()
                await asyncio.sleep(pause)


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    told = b""
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            told += piece
    return told


@asynccontextmanager
async def calling(port: int, *pieces: bytes) -> AsyncIterator[Client]:
    """A client that has sent ``pieces``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    try:
        for piece in pieces:
            writer.write(piece)
        yield client
    finally:
        client.reading.cancel()
        writer.transport.abort()
        await asyncio.gather(client.reading, return_exceptions=True)


async def assert_served(port: int) -> None:
    assert (await exchange(port, posted(TASKS, orjson.dumps(SUM)))).status == 201


def status_of(told: bytes) -> bytes:
    return told[9:12]


async def test_who_says_nothing_is_left(port: int) -> None:
    async with calling(port) as silent:
        assert await silent.told() == b""


@pytest.mark.parametrize("piece", [b"x", b"X-More: 1\r\n"])
async def test_a_head_that_drips_is_answered_408_while_others_are_served(port: int, piece: bytes) -> None:
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(calling(port, PING[:-2])) for _ in range(30)]
        dripping = [asyncio.create_task(client.drip(piece)) for client in slow]
        await assert_served(port)
        for client in slow:
            told = await client.told()
            assert (status_of(told), b"request_timeout" in told) == (b"408", True), told
        await asyncio.gather(*dripping)


async def test_a_second_head_has_no_more_time_than_the_first(port: int) -> None:
    async with calling(port, PING, PING[:-2]) as client:
        told = await client.told()
    assert (told.count(b"HTTP/1.1 200"), told.count(b"HTTP/1.1 408")) == (1, 1)


async def test_empty_lines_are_no_request(port: int) -> None:
    async with calling(port, PING) as client:
        await client.drip(b"\r\n")
        assert (await client.told()).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nX-Long: ", b"GET / HTTP/1.1\r\n"])
async def test_a_head_without_an_end_is_answered_431(port: int, begun: bytes) -> None:
    async with calling(port, begun) as client:
        await client.drip(b"X: x\r\n" * 3_000 if begun.endswith(b"\n") else b"x" * 16_384, pause=0)
        told = await client.told()
    assert (status_of(told), b"headers_too_large" in told) == (b"431", True)


@pytest.mark.parametrize("behind", [b"5;", b"0\r\nX-Long: ", b"0\r\n"])
async def test_what_surrounds_a_body_has_an_end_too(port: int, behind: bytes) -> None:
    async with calling(port, CHUNKED, behind) as client:
        await client.drip(b"X: x\r\n" * 3_000 if behind.endswith(b"0\r\n") else b"x" * 16_384, pause=0)
        assert status_of(await client.told()) in {b"", b"400", b"431"}


@pytest.mark.parametrize("pause", [0.05, 60.0])
async def test_a_body_below_the_least_rate_is_cut_while_others_are_served(port: int, pause: float) -> None:
    head = request(f"POST {TASKS}", "Content-Type: application/json", "Content-Length: 10000")
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(calling(port, head)) for _ in range(10)]
        dripping = [asyncio.create_task(client.drip(b" ", pause)) for client in slow]
        await assert_served(port)
        assert {status_of(await client.told()) for client in slow} == {b"408"}
        for task in dripping:
            task.cancel()


async def test_a_body_above_the_least_rate_may_take_its_time(port: int) -> None:
    body = orjson.dumps(SUM)
    length = f"Content-Length: {50_000 + len(body)}"
    head = request(f"POST {TASKS}", "Content-Type: application/json", length, "Connection: close")
    async with calling(port, head) as client:
        for _ in range(50):
            client.writer.write(b" " * 1_000)
            await asyncio.sleep(LONGER_THAN_ANY / 50)
        client.writer.write(body)
        assert status_of(await client.told()) == b"201"


async def test_what_follows_a_refusal_is_not_read_for_long(port: int) -> None:
    head = request(f"POST {TASKS}", "Content-Type: application/json", "Content-Length: 100000000")
    async with calling(port, head) as client:
        await client.drip(b" " * 10_000)
        assert status_of(await client.told()) == b"413"


async def large_file(port: int, size: int) -> str:
    """The path of a file's content."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    body = head + bytes(size) + b"\r\n--b--\r\n"
    made = await exchange(port, posted(FILES, body, kind="multipart/form-data; boundary=b"))
    assert made.status == 201
    return f"{FILES}/{made.json['id']}/content"


async def test_who_does_not_take_an_answer_is_left(server: uvicorn.Server, port: int) -> None:
    path = await large_file(port, 12_000_000)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, request(f"GET {path}"))

        async def is_writing() -> bool:
            return any(c.flow.write_paused for c in server.server_state.connections)  # type: ignore[union-attr]

        async def is_left() -> bool:
            return not server.server_state.connections and not server.server_state.tasks

        await eventually(is_writing)
        await assert_served(port)
        await eventually(is_left)


async def test_who_takes_an_answer_slowly_gets_all_of_it(port: int) -> None:
    path = await large_file(port, 12_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65_536)
    writer.write(request(f"GET {path}", "Connection: close"))
    taken = 0
    async with asyncio.timeout(ENOUGH):
        while piece := await reader.read(200_000):
            taken += len(piece)
            await asyncio.sleep(LONGER_THAN_ANY / 60)
    writer.close()
    assert taken > 12_000_000


async def test_a_stream_without_events_is_no_slow_client(port: int, life: Life) -> None:
    async with listening(f"http://127.0.0.1:{port}", life.path) as reader:
        await reader.until(lambda r: r.statuses == ["PENDING"])
        await asyncio.sleep(LONGER_THAN_ANY)
        await life.start()
        await reader.until(lambda r: r.statuses == ["PENDING", "PROCESSING"])


async def test_a_stream_ends_with_its_client_though_another_request_waits_behind_it(
    app: FastAPI, port: int, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.streaming, "PING_SECONDS", 0.05)  # it is found out by what is sent

    async def is_open() -> bool:
        return bool(app.state.house.streams.open)

    async def is_over() -> bool:
        return not app.state.house.streams.open

    async with calling(port, request(f"GET {life.path}")) as client:
        await eventually(is_open)
        client.writer.write(PING)
        await client.writer.drain()
    await eventually(is_over)


async def test_requests_in_a_pipeline_are_answered_and_a_flood_of_them_is_cut(port: int) -> None:
    async with calling(port, PING * 50, request("GET /health/live", "Connection: close")) as client:
        assert (await client.told()).count(b"HTTP/1.1 200") == 51
    async with calling(port, PING * 5_000) as client:
        assert (await client.told()).count(b"HTTP/1.1 200") < 5_000


async def idle(port: int, stack: AsyncExitStack, count: int) -> list[Client]:
    return [await stack.enter_async_context(calling(port)) for _ in range(count)]


async def test_idle_connections_make_room_for_who_asks_for_something(app: FastAPI) -> None:
    patient = replace(ClientLimits(), connections=20)
    async with serving(app, patient) as server, AsyncExitStack() as stack:
        clients = await idle(port_of(server), stack, 200)

        async def is_bounded() -> bool:
            return len(server.server_state.connections) <= patient.connections and clients[0].reading.done()

        await eventually(is_bounded)
        assert not clients[-1].reading.done(), "the oldest go first"
        for _ in range(30):
            await assert_served(port_of(server))


async def test_a_request_at_work_makes_no_room(app: FastAPI) -> None:
    async with serving(app, replace(ClientLimits(), connections=5)) as server, AsyncExitStack() as stack:
        port = port_of(server)
        made = await exchange(port, posted(TASKS, orjson.dumps({**SUM, "delay": 600})))
        path = f"{TASKS}/{made.json['id']}"
        wait = request(f"GET {path}?wait=60", "Connection: close")
        waiting = [await stack.enter_async_context(calling(port, wait)) for _ in range(4)]

        async def are_at_work() -> bool:
            return len(server.server_state.tasks) == len(waiting)

        await eventually(are_at_work)
        await idle(port, stack, 20)
        cancelled = await exchange(port, posted(f"{path}/cancel", b"{}"))
        assert cancelled.status == 200
        assert {status_of(await client.told()) for client in waiting} == {b"200"}


async def test_without_any_room_a_newcomer_is_turned_away_and_served_later(app: FastAPI) -> None:
    async with serving(app, replace(ClientLimits(), connections=3)) as server, AsyncExitStack() as stack:
        port = port_of(server)
        made = await exchange(port, posted(TASKS, orjson.dumps({**SUM, "delay": 600})))
        wait = request(f"GET {TASKS}/{made.json['id']}?wait=60")
        waiting = [await stack.enter_async_context(calling(port, wait)) for _ in range(3)]

        async def is_full() -> bool:
            return len(server.server_state.tasks) == len(waiting)

        await eventually(is_full)
        async with calling(port, PING) as newcomer:
            assert await newcomer.told() == b""
        waiting[0].writer.transport.abort()

        async def is_served() -> bool:
            async with calling(port, request("GET /health/live", "Connection: close")) as later:
                return status_of(await later.told()) == b"200"

        await eventually(is_served)
