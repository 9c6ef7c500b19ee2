"""API keys at the door: a short memory in front of the verbs that know them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.problems import Problem
from shared.queue.keys import LOCAL, Principal, any_key_exists, authenticate
from shared.queue.stores import Stores

READ, WRITE, ADMIN = "read", "write", "admin"
METRICS_READER = Principal(LOCAL.tenant_id, frozenset({READ}))
"""Whoever asks for an open health or metrics page."""

TTL_SECONDS = 2.0
REMEMBERED = 4_096

Verify = Callable[[Stores, str], Awaitable[Principal | None]]
AnyKey = Callable[[Stores], Awaitable[bool]]


@dataclass
class Authenticator:
    """Answers who a token is. What it was told is at most ``TTL_SECONDS`` old, so a revoked key dies soon."""

    verify: Verify = authenticate
    any_key: AnyKey = any_key_exists
    clock: Callable[[], float] = time.monotonic
    _known: dict[bytes, tuple[float, Principal | None]] = field(default_factory=dict)
    _any: tuple[float, bool] = (float("-inf"), False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def any_key_exists(self, stores: Stores) -> bool:
        """Whether callers need a key. A bootstrap key counts before it is stored."""
        if stores.settings.bootstrap_key is not None:
            return True
        if self._any[0] > self.clock():
            return self._any[1]
        # One question at a time, however many requests wait for its answer.
        async with self._asking:
            if self._any[0] <= self.clock():
                self._any = (self.clock() + TTL_SECONDS, await self.any_key(stores))
        return self._any[1]

    async def principal(self, stores: Stores, authorization: str | None) -> Principal:
        """Raises: Problem, the same for an absent and a wrong key."""
        scheme, _, token = (authorization or "").partition(" ")
        found = await self._lookup(stores, token.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise Problem(
                "unauthorized",
                "Send a valid key: Authorization: Bearer trk_<id>.<secret>",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found

    async def _lookup(self, stores: Stores, token: str) -> Principal | None:
        if not token.startswith("trk_") or not token.isascii() or len(token) > 256:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        until, found = self._known.get(digest, (float("-inf"), None))
        if until <= self.clock():
            found = await self.verify(stores, token)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[digest] = (self.clock() + TTL_SECONDS, found)
        return found


def may(principal: Principal, scope: str) -> bool:
    """Whether the key allows ``scope``; an admin key allows everything."""
    return scope in principal.scopes or ADMIN in principal.scopes
