"""What is refused of a URL that will be requested later: all that needs no resolver, and no more."""

from __future__ import annotations

import socket

import pytest

from shared.domain.errors import OutboundRefused
from shared.outbound import check


@pytest.fixture(autouse=True)
def no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a resolver was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "10.0.0.1", "169.254.169.254", "0",
     "[::1]", "[::ffff:10.0.0.1]", "[fd00::1]", "[64:ff9b::7f00:1]", "localhost", "LocalHost.", "a.localhost", "①②⑦.1"],
)  # fmt: skip
def test_a_host_that_spells_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(OutboundRefused):
        check(f"https://{host}/hook", ())


@pytest.mark.parametrize(
    "host", ["example.com", "localhost.example.com", "8.8.8.8", "[2606:4700::1]", "bücher.example"]
)
def test_a_name_and_a_public_address_pass(host: str) -> None:
    check(f"https://{host}:8443/hook?a=b", ())


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://u:p@example.com/", "ftp://example.com/", "", "https://"]
)
def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefused):
        check(url, ())


@pytest.mark.parametrize(
    ("url", "entry"), [("http://127.0.0.1:81/", "127.0.0.1"), ("http://localhost/", "localhost:80")]
)
def test_an_operator_may_allow_a_private_host(url: str, entry: str) -> None:
    check(url, (entry,))
    with pytest.raises(OutboundRefused):
        check(url, ("127.0.0.1:82",))
