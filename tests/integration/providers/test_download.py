"""Downloads from real servers on loopback: honest ones, and those that redirect, lie, drip, hang or encode."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.errors import Fatal, OutboundRefused, ProviderUnavailable
from shared.outbound import client_for, download, resolve

ALLOW = ("127.0.0.1", "localhost", "guard.test")
CERTIFICATE = Path(__file__).with_name("guard.test.pem")

Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request with ``reply``; yields its port and the request heads it read."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def fetch(port: int, target: Path, *, max_bytes: int = 1_000, timeout: float = 10.0) -> None:
    await download(f"http://127.0.0.1:{port}/x?y=z", target, allow=ALLOW, max_bytes=max_bytes, timeout=timeout)


async def test_a_body_of_exactly_the_limit_is_saved(tmp_path: Path) -> None:
    async with serving(response("200 OK", b"x" * 1_000)) as (port, heads):
        await fetch(port, tmp_path / "body")
    assert (tmp_path / "body").read_bytes() == b"x" * 1_000
    assert heads[0].startswith(b"GET /x?y=z HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{port}".encode() in heads[0].lower()
    assert b"accept-encoding: identity" in heads[0].lower()


async def test_a_chunked_body_is_saved(tmp_path: Path) -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    async with serving(body) as (port, _):
        await fetch(port, tmp_path / "body")
    assert (tmp_path / "body").read_bytes() == b"hello world"


async def test_without_the_allow_list_loopback_is_out_of_reach(tmp_path: Path) -> None:
    async with serving(response("200 OK")) as (port, heads):
        for scheme in ("http", "https"):
            with pytest.raises(OutboundRefused):
                await download(f"{scheme}://127.0.0.1:{port}/", tmp_path / "body", allow=(), max_bytes=10)
    assert heads == []


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with serving(response("200 OK", b"secret")) as (inner, inner_heads):
        location = f"Location: http://127.0.0.1:{inner}/"
        async with serving(response("302 Found", b"", location)) as (port, _):
            with pytest.raises(Fatal, match="redirect"):
                await fetch(port, tmp_path / "body")
    assert inner_heads == []
    assert not (tmp_path / "body").exists()


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone"])
async def test_a_client_error_is_final(tmp_path: Path, status: str) -> None:
    async with serving(response(status, b"no")) as (port, _):
        with pytest.raises(Fatal, match=status[:3]):
            await fetch(port, tmp_path / "body")


@pytest.mark.parametrize("status", ["408 Timeout", "429 Slow Down", "500 Oops", "503 Away"])
async def test_an_error_that_may_pass_is_worth_a_retry_after_the_wait_asked_for(tmp_path: Path, status: str) -> None:
    async with serving(response(status, b"", "Retry-After: 17")) as (port, _):
        with pytest.raises(ProviderUnavailable, match=status[:3]) as raised:
            await fetch(port, tmp_path / "body")
    assert raised.value.retry_after == timedelta(seconds=17)


async def test_a_declared_length_over_the_limit_is_refused_before_the_body(tmp_path: Path) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n") as (port, _):
        with pytest.raises(Fatal, match="larger than 1000 bytes"):
            await fetch(port, tmp_path / "body")


async def test_an_endless_body_is_cut_at_the_limit(tmp_path: Path) -> None:
    async def pour(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(pour) as (port, _):
        with pytest.raises(Fatal, match="larger than 200000 bytes"):
            await fetch(port, tmp_path / "body", max_bytes=200_000)
    assert not (tmp_path / "body").exists()


async def test_a_body_shorter_than_declared_is_a_broken_connection(tmp_path: Path) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf") as (port, _):
        with pytest.raises(ProviderUnavailable):
            await fetch(port, tmp_path / "body")
    assert not (tmp_path / "body").exists()


async def test_an_encoded_body_is_refused_undecoded(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 500_000)
    async with serving(response("200 OK", bomb, "Content-Encoding: gzip")) as (port, _):
        with pytest.raises(Fatal, match="gzip"):
            await fetch(port, tmp_path / "body")


async def test_a_dripping_server_is_left_at_the_time_limit(tmp_path: Path) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(drip) as (port, _):
        with pytest.raises(ProviderUnavailable, match=r"longer than 0\.4 s"):
            await fetch(port, tmp_path / "body", timeout=0.4)
    assert not (tmp_path / "body").exists()


async def test_a_hanging_server_is_left_at_the_time_limit(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def hang(_: asyncio.StreamWriter) -> None:
        await released.wait()

    async with serving(hang) as (port, _):
        with pytest.raises(ProviderUnavailable):
            await fetch(port, tmp_path / "body", timeout=0.3)
        released.set()


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nbroken"])
async def test_a_server_that_speaks_no_http_is_unavailable(tmp_path: Path, garbage: bytes) -> None:
    async with serving(garbage) as (port, _):
        with pytest.raises(ProviderUnavailable):
            await fetch(port, tmp_path / "body")


async def test_a_closed_port_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ProviderUnavailable):
            await fetch(held.getsockname()[1], tmp_path / "body")


async def test_proxies_in_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(response("200 OK", b"direct")) as (port, _):
        await fetch(port, tmp_path / "body")
    assert (tmp_path / "body").read_bytes() == b"direct"


async def test_a_disk_that_refuses_is_an_os_error_and_not_the_servers_fault(tmp_path: Path) -> None:
    async with serving(response("200 OK", b"x")) as (port, _):
        with pytest.raises(FileNotFoundError):
            await fetch(port, tmp_path / "no folder" / "body")


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """guard.test is at 127.0.0.9 (nobody listens) and 127.0.0.1, once: a second look-up fails. Holds what was asked."""
    asked: list[str] = []

    async def getaddrinfo(_self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if len(asked) > 1:
            raise AssertionError("the name was resolved twice")
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)
    return asked


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_the_name_is_resolved_once_and_each_of_its_addresses_tried(tmp_path: Path, names: list[str]) -> None:
    async with serving(response("200 OK", b"pinned")) as (port, heads):
        await download(f"http://guard.test:{port}/", tmp_path / "body", allow=ALLOW, max_bytes=100)
    assert (tmp_path / "body").read_bytes() == b"pinned"
    assert names == ["guard.test"]
    assert f"host: guard.test:{port}".encode() in heads[0].lower()


async def test_sni_and_the_certificate_check_keep_the_name(tmp_path: Path, names: list[str]) -> None:
    asked: list[str | None] = []
    server = server_tls()
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with serving(response("200 OK", b"tls"), server) as (port, _):
        url = f"https://guard.test:{port}/"
        await download(url, tmp_path / "body", allow=ALLOW, max_bytes=100, tls=trusting)
    assert asked == ["guard.test"]
    assert names == ["guard.test"]
    assert (tmp_path / "body").read_bytes() == b"tls"


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with serving(response("200 OK", b"tls"), server_tls()) as (port, heads):
        with pytest.raises(ProviderUnavailable):
            await download(f"https://127.0.0.1:{port}/", tmp_path / "body", allow=ALLOW, max_bytes=100, tls=trusting)
    assert heads == []


async def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path, names: list[str]) -> None:
    async with serving(response("200 OK", b"tls"), server_tls()) as (port, heads):
        with pytest.raises(ProviderUnavailable):
            await download(f"https://guard.test:{port}/", tmp_path / "body", allow=ALLOW, max_bytes=100)
    assert (heads, names) == ([], ["guard.test"])


async def test_a_bound_client_posts_to_the_checked_url(names: list[str]) -> None:
    async with serving(response("204 No Content")) as (port, heads):
        checked = await resolve(f"http://guard.test:{port}/hook", ALLOW)
        async with client_for(checked) as client:
            answer = await client.post(checked.url, content=b"{}")
    assert answer.status_code == 204
    assert heads[0].startswith(b"POST /hook ")
    assert names == ["guard.test"]
