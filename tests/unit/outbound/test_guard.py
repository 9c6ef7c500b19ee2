"""Which URLs the guard lets out. The resolver is scripted here; real servers are asked in the integration tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import OutboundRefused, ProviderUnavailable
from shared.outbound import Checked, client_for, download, resolve

Answers = Callable[..., None]


@pytest.fixture
async def dns(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Set what the resolver answers, whatever it is asked."""

    def answer(*addresses: str, error: Exception | None = None) -> None:
        async def getaddrinfo(_self: Any, _host: str, port: int, **_: Any) -> list[Any]:
            if error is not None:
                raise error
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)

    return answer


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://:pass@example.com/",
        "https://[::1",
        "https://exam ple.com/",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://[fe80::1%25eth0]/",
        "https://exa%00mple.com/",
        "https://example.com\r\nHost: x/",
        "https://" + "a" * 70 + ".com/",
        "https://" + "a" * 70_000,
    ],
)
async def test_what_is_not_a_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefused):
        await resolve(url, ())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "0",
        "127.0.0.1.",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fec0::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ｌｏｃａｌｈｏｓｔ",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "00000177.1",
        "%31%32%37.0.0.1",
        "127.0.0.1%2f",
        "[::127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:0:127.0.0.1]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[fd00:ec2::254]",
        "[fe80::1%25lo]",
        "[::1%25lo]",
        "[ff02::1]",
    ],
)
async def test_every_spelling_of_a_private_host_is_refused_by_the_real_resolver(host: str) -> None:
    # Some spellings the resolver itself does not take: then nothing can be connected to, either.
    with pytest.raises((OutboundRefused, ProviderUnavailable)):
        await resolve(f"https://{host}/", ())


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1#@example.com/",
        "https://127.0.0.1?@example.com/",
        "https://127.0.0.1\\@example.com/",
        "https://127.0.0.1:443\\@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com#@127.0.0.1/",
        "https://example.com:443#@127.0.0.1:80/",
        "https://example.com;127.0.0.1/",
        "https:///127.0.0.1/",
        "https:127.0.0.1/",
        "https://[::1]example.com/",
        "https://example.com\t@127.0.0.1/",
        "https://example.com,127.0.0.1/",
    ],
)
async def test_no_reading_of_a_url_leads_elsewhere_than_was_checked(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    real = {"example.com": "93.184.215.14"}

    async def getaddrinfo(_self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (real.get(host, "127.0.0.1"), port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)
    try:
        checked = await resolve(url, ())
    except OutboundRefused:
        return
    assert (checked.url.host, checked.addresses) == ("example.com", ("93.184.215.14",))


async def test_a_name_that_turns_to_loopback_behind_the_check_is_called_at_the_checked_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    called: list[str] = []

    async def getaddrinfo(_self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def sock_connect(_self: Any, _socket: Any, address: tuple[str, int]) -> None:
        called.append(address[0])
        raise ConnectionRefusedError

    loop = type(asyncio.get_running_loop())
    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    with pytest.raises(ProviderUnavailable):
        await download("https://rebinding.example/", tmp_path / "body", allow=(), max_bytes=10)
    assert (asked, called) == (["rebinding.example"], ["93.184.215.14"])


async def test_a_public_host_is_bound_to_all_of_its_addresses(dns: Answers) -> None:
    dns("93.184.215.14", "2606:2800:21f::1", "93.184.215.14")
    checked = await resolve("https://example.com:8443/a?b=c", ())
    assert checked.addresses == ("93.184.215.14", "2606:2800:21f::1")
    assert str(checked.url) == "https://example.com:8443/a?b=c"


@pytest.mark.parametrize("private", ["10.0.0.1", "::1", "64:ff9b::808:808"])
async def test_one_private_address_among_public_ones_is_enough_to_refuse(dns: Answers, private: str) -> None:
    dns("93.184.215.14", private)
    with pytest.raises(OutboundRefused) as refused:
        await resolve("https://example.com/", ())
    assert private not in str(refused.value)


async def test_a_name_that_cannot_be_resolved_now_may_be_later(dns: Answers) -> None:
    dns(error=socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    with pytest.raises(ProviderUnavailable, match="Temporary failure"):
        await resolve("https://example.com/", ())


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://hook.internal/", "hook.internal"),
        ("https://hook.internal/", "hook.internal"),
        ("http://HOOK.internal./", "Hook.Internal"),
        ("http://hook.internal:8080/", "hook.internal"),
        ("http://hook.internal:8080/", "hook.internal:8080"),
        ("https://hook.internal/", "hook.internal:443"),
        ("http://10.0.0.1/", "10.0.0.1"),
        ("http://[fd00::1]:81/", "[fd00::1]:81"),
        ("http://[fd00::1]:81/", "fd00::1"),
    ],
)
async def test_a_host_on_the_list_may_be_private_and_plain_http(dns: Answers, url: str, entry: str) -> None:
    dns("10.0.0.1")
    assert (await resolve(url, ("other.internal", entry))).addresses == ("10.0.0.1",)


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("https://hook.internal/", "internal"),
        ("https://hook.internal/", "ook.internal"),
        ("https://hook.internal.evil.com/", "hook.internal"),
        ("https://a.hook.internal/", "hook.internal"),
        ("https://hook.internal:8081/", "hook.internal:8080"),
        ("https://hook.internal/", "hook.internal:80"),
        ("https://hook.internal/", "*"),
        ("https://hook.internal/", ""),
        ("https://[fd00::1]:81/", "fd00::1:81"),
    ],
)
async def test_the_list_matches_whole_hosts_only(dns: Answers, url: str, entry: str) -> None:
    dns("10.0.0.1")
    with pytest.raises(OutboundRefused):
        await resolve(url, (entry,))


@given(url=st.text() | st.text().map("https://{}".format) | st.text().map("https://{}@1.2.3.4/".format))
async def test_any_text_is_a_clean_refusal_where_nothing_resolves(url: str) -> None:
    async def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", nowhere)
        with pytest.raises((OutboundRefused, ProviderUnavailable)):
            await resolve(url, ())


@pytest.mark.parametrize("url", ["https://other.test/", "http://example.com/", "https://example.com:444/"])
async def test_a_bound_client_reaches_no_other_origin(url: str) -> None:
    checked = Checked(httpx.URL("https://example.com/"), ("127.0.0.1",))
    async with client_for(checked) as client:
        with pytest.raises(OutboundRefused):
            await client.get(url)
