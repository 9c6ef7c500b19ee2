"""What both senders share: where the service is, who we are, and httpx's words made ours."""

from __future__ import annotations

import ipaddress
import os
import ssl
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit

import httpx

from service.client.calls import Call, Reply
from service.client.errors import NOTHING_LISTENS, ClientError, Unreachable
from service.client.trace_header import trace_header

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_TIMEOUT = 5.0
CONNECTIONS = 500
"""Of one client: as many tasks can be waited for at once. httpx has a hundred, and most systems allow 1,024 files."""
POOL_TIMEOUT = 300.0
"""Seconds: further calls queue behind our own long polls, which is no sign of a service that is away."""
IDLE_SECONDS = 3.0
"""uvicorn by itself closes what is idle for 5: a call on its way there then would be lost."""


class Options(TypedDict):
    """Keyword arguments of ``httpx.Client`` and ``httpx.AsyncClient`` alike."""

    base_url: str
    headers: dict[str, str]
    timeout: httpx.Timeout
    limits: httpx.Limits
    verify: ssl.SSLContext | bool
    trust_env: bool


def options(url: str | None, api_key: str | None, timeout: float) -> Options:
    """How to reach the service: what is given, else ``TASKRUNNER_URL`` and ``TASKRUNNER_API_KEY``.

    Raises:
        ClientError: the address is no http(s) URL, or the key cannot stand in a header.
    """
    url = (url or os.environ.get("TASKRUNNER_URL") or DEFAULT_URL).strip().rstrip("/")
    key = (api_key or os.environ.get("TASKRUNNER_API_KEY") or "").strip()
    parts = _split(url)
    if not (key.isascii() and key.isprintable()):
        raise ClientError("TASKRUNNER_API_KEY holds characters no key has: copy it again")
    headers = {"Accept": "application/json", "User-Agent": "taskrunner-python"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return Options(
        base_url=url,
        headers=headers,
        timeout=httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout), pool=POOL_TIMEOUT),
        limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=IDLE_SECONDS),
        # Plain http never speaks TLS: a context that trusts nobody saves loading the certificates.
        verify=True if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        # A proxy named in the environment cannot reach this machine's loopback.
        trust_env=not _is_loopback(parts.hostname or ""),
    )


def request_of(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """The call as httpx sends it. Raises: ClientError, where what was given cannot be sent: NaN, half a character."""
    read = (http.timeout.read or 0.0) + call.patience if call.silence is None else call.silence
    try:
        return http.build_request(
            call.method,
            call.path,
            params=call.params or None,
            json=call.json,
            files={"file": (call.upload.name, call.upload.body)} if call.upload else None,
            headers={**trace_header(), **call.headers},
            timeout=httpx.Timeout(**{**http.timeout.as_dict(), "read": read}),
        )
    except (ValueError, RecursionError, httpx.InvalidURL) as error:
        raise ClientError(f"what was given cannot be sent: {error}") from error


def reply_of(response: httpx.Response, body: bytes) -> Reply:
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def unreachable(url: str, error: httpx.RequestError) -> Unreachable:
    """What httpx says of a request that got no answer."""
    never_left = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    ours = Unreachable(url, _reason(error), may_have_arrived=not never_left)
    ours.__cause__ = error
    return ours


def _reason(error: httpx.RequestError) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return "no connection in time"
        case httpx.TimeoutException():
            return "no answer in time"
        case httpx.ConnectError():
            # Blocking sockets say the first, event loops the second, of the same thing.
            is_refused = any(words in str(error) for words in ("refused", "All connection attempts failed"))
            return NOTHING_LISTENS if is_refused else str(error) or "no connection"
        case httpx.DecodingError():
            return "an answer that cannot be decoded"
        case _:
            return str(error) or "the connection broke"


def _split(url: str) -> SplitResult:
    refusal = ClientError(f"TASKRUNNER_URL {url!r} is no address: write http://host:port")
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise refusal from None
    if not is_address:
        raise refusal
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
