"""The proxy itself: each fault it injects is the fault it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def heard() -> list[bytes]:
    return []


@pytest.fixture
async def proxy(heard: list[bytes]) -> AsyncIterator[Proxy]:
    """A proxy before a server that echoes every line."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                heard.append(line)
                writer.write(line)
                await writer.drain()
        except ConnectionResetError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy.before(f"echo://me:secret@127.0.0.1:{port}/3") as opened:
        yield opened


async def connected(proxy: Proxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def asked(streams: Streams, line: bytes, timeout: float = 5.0) -> bytes:
    reader, writer = streams
    writer.write(line)
    async with asyncio.timeout(timeout):
        return await reader.readline()


def test_a_url_is_rewritten_and_nothing_else_of_it() -> None:
    proxy = Proxy.before("redis://:secret@localhost:6379/3?x=1")
    assert proxy.url == f"redis://:secret@127.0.0.1:{proxy.port}/3?x=1"
    assert proxy.instead_of("redis://localhost:6379/4") == f"redis://127.0.0.1:{proxy.port}/4"
    proxy.release_port()


async def test_it_passes_what_is_said(proxy: Proxy) -> None:
    streams = await connected(proxy)
    assert await asked(streams, b"a\n") == b"a\n"
    assert proxy.connections == 1
    streams[1].close()


async def test_refusing_resets_new_connections_and_keeps_the_old(proxy: Proxy) -> None:
    old = await connected(proxy)
    assert await asked(old, b"a\n") == b"a\n"
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connected(proxy)
    assert await asked(old, b"b\n") == b"b\n"
    await proxy.accept()
    new = await connected(proxy)
    assert await asked(new, b"c\n") == b"c\n"
    old[1].close()
    new[1].close()


async def test_cutting_resets_what_is_open(proxy: Proxy) -> None:
    streams = await connected(proxy)
    assert await asked(streams, b"a\n") == b"a\n"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await asked(streams, b"b\n")
    streams[1].close()
    again = await connected(proxy)
    assert await asked(again, b"c\n") == b"c\n"
    again[1].close()


async def test_hung_both_ways_nothing_arrives_until_it_flows(proxy: Proxy, heard: list[bytes]) -> None:
    streams = await connected(proxy)
    proxy.hang()
    with pytest.raises(TimeoutError):
        await asked(streams, b"a\n", timeout=0.2)
    assert heard == []
    new = await connected(proxy)
    proxy.flow()
    assert await asyncio.wait_for(streams[0].readline(), 5) == b"a\n"
    assert await asked(new, b"b\n") == b"b\n"
    streams[1].close()
    new[1].close()


async def test_with_replies_hung_the_request_takes_effect_and_a_cut_loses_the_reply(
    proxy: Proxy, heard: list[bytes]
) -> None:
    streams = await connected(proxy)
    proxy.replies.hang()
    with pytest.raises(TimeoutError):
        await asked(streams, b"a\n", timeout=0.2)
    assert heard == [b"a\n"]
    proxy.cut()
    proxy.flow()
    with pytest.raises(ConnectionResetError):
        await streams[0].readline()
    streams[1].close()


async def test_the_reply_to_one_request_is_held_and_all_others_pass(proxy: Proxy, heard: list[bytes]) -> None:
    loser, other = await connected(proxy), await connected(proxy)
    loss = proxy.lose_reply_to(b"COMMIT")
    assert await asked(loser, b"BEGIN\n") == b"BEGIN\n"
    with pytest.raises(TimeoutError):
        await asked(loser, b"COMMIT\n", timeout=0.2)
    await loss.held()
    assert heard[-1] == b"COMMIT\n"
    assert await asked(other, b"COMMIT\n") == b"COMMIT\n"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await loser[0].readline()
    loser[1].close()
    other[1].close()


async def test_a_delay_makes_each_piece_late(proxy: Proxy) -> None:
    streams = await connected(proxy)
    proxy.replies.delay = 0.2
    started = time.monotonic()
    assert await asked(streams, b"a\n") == b"a\n"
    assert time.monotonic() - started >= 0.2
    streams[1].close()


async def test_the_end_of_a_server_reaches_the_client(proxy: Proxy) -> None:
    streams = await connected(proxy)
    assert await asked(streams, b"a\n") == b"a\n"
    streams[1].write_eof()
    assert await asyncio.wait_for(streams[0].read(), 5) == b"", "the echo ends, and so does our stream"
    streams[1].close()
