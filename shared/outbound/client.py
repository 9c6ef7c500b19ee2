"""An HTTP client that can reach one checked URL's host, at its checked addresses, and nothing else.

The request's URL gets the address for a host just before it is sent, so nothing resolves the name
again (DNS rebinding); the Host header, SNI and the certificate check keep the name.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx

from shared.domain.errors import OutboundRefused
from shared.outbound.guard import Checked

CONNECT_TIMEOUT = 5.0


def client_for(checked: Checked, *, timeout: float = 30.0, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """A client bound to ``checked``: no redirects, no proxies, no decoding asked for.

    ``timeout`` (seconds) is for each step; cap the whole with ``asyncio.timeout``.
    """
    return httpx.AsyncClient(
        transport=PinnedTransport(checked, tls or _default_tls()),
        # An address that swallows packets must leave time to try the next.
        timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "taskrunner"},
    )


class PinnedTransport(httpx.AsyncBaseTransport):
    """Sends requests for the checked origin to the first of its addresses that takes a connection."""

    def __init__(self, checked: Checked, tls: ssl.SSLContext) -> None:
        self._checked = checked
        self._inner = httpx.AsyncHTTPTransport(verify=tls)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = self._checked.url
        if (request.url.scheme, request.url.host, request.url.port) != (url.scheme, url.host, url.port):
            raise OutboundRefused("this client is bound to another URL")
        request.extensions = {**request.extensions, "sni_hostname": url.raw_host.decode("ascii")}
        *others, last = self._checked.addresses
        for address in others:
            try:
                return await self._send(request, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._send(request, last)

    async def _send(self, request: httpx.Request, address: str) -> httpx.Response:
        # The headers hold the Host of the original URL: httpx sets it when it builds the request.
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _default_tls() -> ssl.SSLContext:
    """Loading the certificates takes some 20 ms: once per process, not per URL."""
    return httpx.create_ssl_context()
