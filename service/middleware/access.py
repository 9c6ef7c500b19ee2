"""Who is calling, whether anybody but loopback may, and whether not too often. Scopes are checked by the routes.

As long as no API key exists, only a request that came over loopback and names a loopback host is
served. Only the socket is believed: forwarded headers are not read at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth import METRICS_READER, Authenticator
from service.dashboard.session import principal_in
from service.problems import Problem
from service.rate_limits import RateLimits
from shared.domain.errors import StoreUnavailable
from shared.patience import in_turns
from shared.queue.keys import LOCAL, Principal
from shared.queue.stores import Stores

HEALTH, READY = "/health", "/health/ready"
HEALTH_TURNS = 3
ALWAYS_OPEN = frozenset({"/health/live", READY})
METRICS = frozenset({HEALTH, "/metrics"})
LOOPBACK_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access:
    """Refuses strangers, and leaves ``state["principal"]`` for the routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        rates: RateLimits | None = None,
        origins: Iterable[str],
        metrics_public: bool,
    ) -> None:
        self.app = app
        self._authenticator = authenticator
        self._rates = rates
        self._origins = frozenset(origins)
        self._open = ALWAYS_OPEN | METRICS if metrics_public else ALWAYS_OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = await (self._admit_to_health(scope) if scope["path"] == HEALTH else self._admitted(scope))
        await self.app(scope, receive, send)

    async def _admit_to_health(self, scope: Scope) -> Scope:
        """Without PostgreSQL nobody is known: then the page is that which everybody may see."""
        try:
            return await in_turns(self._admitted(scope), HEALTH_TURNS)
        except (StoreUnavailable, TimeoutError):
            scope["state"]["principal"] = METRICS_READER
            return {**scope, "path": READY, "raw_path": READY.encode()}

    async def _admitted(self, scope: Scope) -> Scope:
        await self._admit(scope)
        return scope

    async def _admit(self, scope: Scope) -> None:
        path = scope["path"]
        if path in self._open:
            scope["state"]["principal"] = METRICS_READER
            return
        needs_key = path.startswith("/api/") or path in METRICS
        is_local = came_over_loopback(scope)
        if is_local and not needs_key:
            return
        stores = scope["app"].state.house.stores
        if not await self._authenticator.any_key_exists(stores):
            if not is_local or not self._trusts_origin(scope):
                raise Problem(
                    "anonymous_not_allowed",
                    "No API key exists yet, so only loopback is served: call from this machine, or create a key.",
                )
            scope["state"]["principal"] = LOCAL
        elif needs_key:
            principal = await self._known(stores, scope)
            scope["state"]["principal"] = principal
            if self._rates is not None and principal.key_id is not None:
                scope["state"]["answer_headers"], refusal = self._rates.take(principal.key_id)
                if refusal is not None:
                    raise refusal

    async def _known(self, stores: Stores, scope: Scope) -> Principal:
        """By key, or else by the dashboard's cookie. Raises: Problem."""
        authorization = _header(scope, b"authorization")
        by_cookie = await principal_in(scope, stores) if authorization is None else None
        return by_cookie or await self._authenticator.principal(stores, authorization)

    def _trusts_origin(self, scope: Scope) -> bool:
        """A page of another site can make a browser on this machine send simple POSTs: refuse those."""
        origin = _header(scope, b"origin")
        if origin is None or scope["method"] in SAFE_METHODS or self._origins & {origin, "*"}:
            return True
        return LOOPBACK_HOST.fullmatch(urlsplit(origin).netloc) is not None


def came_over_loopback(scope: Scope) -> bool:
    """Whether both ends of the socket, and every Host the request names, are loopback."""
    client, server = scope.get("client"), scope.get("server")
    if client is None or server is None or not (_is_loopback(client[0]) and _is_loopback(server[0])):
        return False
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return bool(hosts) and all(LOOPBACK_HOST.fullmatch(host.decode("latin-1")) for host in hosts)


@lru_cache(maxsize=1_024)
def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return None
