"""How an answer leaves a real server: head and body at once where the length is known, a stream's head before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Server

from service.answer_writer import AnswerWriter
from tests.integration.api.served import port_of, posted, request, serving

SECONDS = 10.0


class Site:
    """An application of all shapes of answers; a stream says no word before ``go_on`` is set."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await getattr(self, scope["path"].strip("/"))(receive, send)

    async def whole(self, _: Receive, send: Send) -> None:
        await send(head(b"content-length", b"5"))
        await send(body(b"hello"))

    async def pieces(self, _: Receive, send: Send) -> None:
        await send(head(b"content-length", b"5"))
        await send(body(b"he", more=True))
        await self.go_on.wait()
        await send(body(b"llo"))

    async def stream(self, _: Receive, send: Send) -> None:
        await send(head(b"content-type", b"text/event-stream"))
        await self.go_on.wait()
        await send(body(b"hello"))

    async def empty(self, _: Receive, send: Send) -> None:
        await send(head(b"content-length", b"0"))
        await send(body(b""))

    async def echo(self, receive: Receive, send: Send) -> None:
        said = (await receive())["body"]
        await send(head(b"content-length", b"%d" % len(said)))
        await send(body(said))

    async def fails(self, _: Receive, send: Send) -> None:
        await send(head(b"content-length", b"5"))
        raise RuntimeError("on purpose")


def head(name: bytes, value: bytes) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": [(name, value)]}


def body(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.fixture
def site() -> Site:
    return Site()


@pytest_asyncio.fixture
async def server(site: Site) -> AsyncIterator[Server]:
    async with serving(site) as server:
        yield server


@pytest_asyncio.fixture
async def wire(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    async with asyncio.timeout(SECONDS):
        yield reader, writer
    writer.close()


Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Socket:
    """A transport that remembers each call."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.writes.append(b"".join(pieces))


class Cycle:
    """What the writer reads of uvicorn's."""

    def __init__(self, length: int, method: str = "GET") -> None:
        self.transport: AnswerWriter
        self.response_started = False
        self.expected_content_length = length
        self.scope = {"method": method}


@pytest.mark.parametrize(
    ("cycle", "writes"),
    [
        pytest.param(Cycle(5), [b"head hello"], id="length"),
        pytest.param(Cycle(0), [b"head ", b"hello"], id="chunked"),
        pytest.param(Cycle(5, "HEAD"), [b"head ", b"hello"], id="no-body-to-come"),
    ],
)
def test_a_head_waits_for_its_body_alone(cycle: Cycle, writes: list[bytes]) -> None:
    socket = Socket()
    writer = AnswerWriter(socket)  # type: ignore[arg-type] # as much of a transport as it needs
    writer.answer(cycle)
    cycle.transport.write(b"100 ")
    cycle.response_started = True
    cycle.transport.write(b"head ")
    cycle.transport.write(b"hello")
    cycle.transport.write(b"!")
    assert socket.writes == [b"100 ", *writes, b"!"]


async def test_an_answer_comes_whole_each_time(wire: Wire) -> None:
    reader, writer = wire
    for _ in range(50):
        writer.write(request("GET /whole"))
        assert (await reader.read(65_536)).endswith(b"\r\n\r\nhello")


async def test_the_first_piece_does_not_wait_for_the_second(wire: Wire, site: Site) -> None:
    reader, writer = wire
    writer.write(request("GET /pieces"))
    assert (await reader.read(65_536)).endswith(b"\r\n\r\nhe")
    site.go_on.set()
    assert await reader.read(65_536) == b"llo"


async def test_the_head_of_a_stream_waits_for_nothing(wire: Wire, site: Site) -> None:
    reader, writer = wire
    writer.write(request("GET /stream"))
    assert b"text/event-stream" in await reader.readuntil(b"\r\n\r\n")
    site.go_on.set()
    assert await reader.readuntil(b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"


async def test_answers_without_a_body_are_told_too(wire: Wire) -> None:
    reader, writer = wire
    for asked in ("GET /empty", "HEAD /whole"):
        writer.write(request(asked))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_requests_in_a_row_are_answered_in_their_order(wire: Wire) -> None:
    reader, writer = wire
    writer.write(request("GET /whole") + posted("/echo", b"you") + request("GET /empty") + request("GET /whole"))
    answers = b""
    while answers.count(b"hello") < 2:
        answers += await reader.read(65_536)
    assert [part.partition(b"\r\n\r\n")[2] for part in answers.split(b"HTTP/1.1 200 OK")[1:]] == [
        *(b"hello", b"you", b"", b"hello")
    ]


async def test_a_client_that_asks_first_is_told_to_go_on(wire: Wire) -> None:
    reader, writer = wire
    writer.write(request("POST /echo", "Content-Length: 3", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"you")
    assert (await reader.read(65_536)).endswith(b"\r\n\r\nyou")


async def test_a_failure_before_the_body_tells_nothing(wire: Wire) -> None:
    reader, writer = wire
    writer.write(request("GET /fails"))
    assert await reader.read() == b""
