"""Whether a URL may be requested, and at which addresses: decided once, so that no second DNS answer counts.

Odd spellings of a host (decimal, octal or hex IPv4) need no rule: they pass through getaddrinfo
as the connection would, and its answer is what is checked.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import httpx

from shared.domain.errors import OutboundRefused, ProviderUnavailable
from shared.outbound.addresses import is_public

DEFAULT_PORTS = {"http": 80, "https": 443}
# After IDNA: names, IPv4 in any spelling, IPv6 without brackets and without a zone.
HOST = re.compile(rb"[A-Za-z0-9._:-]+")
DNS_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Checked:
    """A URL that may be requested, at ``addresses`` (IP literals, in the resolver's order) and nowhere else."""

    url: httpx.URL
    addresses: tuple[str, ...]


async def resolve(url: str, allow: Sequence[str]) -> Checked:
    """Check ``url`` and look its host up; hosts in ``allow`` (``host`` or ``host:port``) may be http and private.

    Raises:
        OutboundRefused: the URL, its scheme or one of its host's addresses. ProviderUnavailable: DNS.
    """
    parsed, port, is_allowed = _judge(url, allow)
    addresses = await _look_up(parsed.raw_host.decode("ascii"), port)
    if not is_allowed and not all(is_public(ip_address(address)) for address in addresses):
        raise _not_public(parsed)
    return Checked(parsed, addresses)


def check(url: str, allow: Sequence[str]) -> None:
    """Refuse what needs no resolver to be refused: for a URL that is requested later, and checked again then.

    Raises: OutboundRefused, as ``resolve`` would.
    """
    parsed, _, is_allowed = _judge(url, allow)
    if not is_allowed and _is_surely_private(parsed.raw_host.decode("ascii").lower().removesuffix(".")):
        raise _not_public(parsed)


def _judge(url: str, allow: Sequence[str]) -> tuple[httpx.URL, int, bool]:
    """The URL taken apart, its port, and whether its host is in ``allow``. Raises: OutboundRefused."""
    parsed = _parse(url)
    port = DEFAULT_PORTS.get(parsed.scheme, 0) if parsed.port is None else parsed.port
    is_allowed = _is_allowed(parsed.host, port, allow)
    _refuse_scheme(parsed.scheme, is_allowed=is_allowed)
    return parsed, port, is_allowed


def _is_surely_private(host: str) -> bool:
    """Whether ``host`` spells an address that is not public, in any of inet_aton's ways, or is this machine's name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not is_public(ip_address(host))
    except ValueError:
        pass
    try:
        return not is_public(ip_address(socket.inet_aton(host)))
    except OSError:
        return False  # a name


def _not_public(url: httpx.URL) -> OutboundRefused:
    # Without the address: the caller may be probing a name only this network knows.
    return OutboundRefused(f"{url.host} is not a public address (see TASKRUNNER_OUTBOUND_ALLOW)")


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise OutboundRefused("this is not a URL") from error
    if not HOST.fullmatch(parsed.raw_host):
        raise OutboundRefused("this URL names no host")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise OutboundRefused("this URL's port is out of range")
    if parsed.userinfo:
        raise OutboundRefused("this URL holds a user name or password")
    return parsed


def _refuse_scheme(scheme: str, *, is_allowed: bool) -> None:
    if scheme == "https" or (scheme == "http" and is_allowed):
        return
    if scheme == "http":
        raise OutboundRefused("use https (http is for hosts in TASKRUNNER_OUTBOUND_ALLOW)")
    raise OutboundRefused("use an https URL")


def _is_allowed(host: str, port: int, allow: Sequence[str]) -> bool:
    name = host.lower().removesuffix(".")
    bracketed = f"[{name}]" if ":" in name else name
    return not {entry.lower() for entry in allow}.isdisjoint({name, bracketed, f"{bracketed}:{port}"})


async def _look_up(host: str, port: int) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(DNS_TIMEOUT):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except TimeoutError as error:
        raise ProviderUnavailable(f"{host}: the name was not resolved within {DNS_TIMEOUT:g} s") from error
    except socket.gaierror as error:
        raise ProviderUnavailable(f"{host}: {error.strerror}") from error
    except (UnicodeError, ValueError, OverflowError) as error:
        raise OutboundRefused(f"{host[:80]} is not a host name") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
