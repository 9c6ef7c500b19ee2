"""API keys at the door: a short memory in front of the verbs that know them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from service.problems import Problem
from shared.domain.errors import StoreUnavailable
from shared.queue.issuing import note_used
from shared.queue.keys import LOCAL, Principal, any_key_exists, authenticate
from shared.queue.stores import Stores

READ, WRITE, ADMIN = "read", "write", "admin"
METRICS_READER = Principal(LOCAL.tenant_id, frozenset({READ}))
"""Whoever asks for an open health or metrics page."""

TTL_SECONDS = 2.0
REMEMBERED = 4_096
NOTE_SECONDS = 60.0
MOST_NOTED = 10_000

Verify = Callable[[Stores, str], Awaitable[Principal | None]]
AnyKey = Callable[[Stores], Awaitable[bool]]


@dataclass
class Authenticator:
    """Answers who a token is. What it was told is at most ``TTL_SECONDS`` old, so a revoked key dies soon."""

    verify: Verify = authenticate
    any_key: AnyKey = any_key_exists
    clock: Callable[[], float] = time.monotonic
    used: set[str] = field(default_factory=set)
    """Ids of keys that were used since ``note_for_ever`` last told of them."""
    _known: dict[bytes, tuple[float, Principal]] = field(default_factory=dict)
    _refused: dict[bytes, float] = field(default_factory=dict)
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
        digest, now = hashlib.sha256(token.encode()).digest(), self.clock()
        known = self._known.get(digest)
        if known is not None and known[0] > now:
            return known[1]
        if self._refused.get(digest, now) > now:
            return None
        found = await self.verify(stores, token)
        self._remember(digest, found)
        return found

    def _remember(self, digest: bytes, found: Principal | None) -> None:
        """Apart, so that made-up tokens, of which there is no end, push no real key out."""
        until = self.clock() + TTL_SECONDS
        if found is None:
            self._known.pop(digest, None)
            _make_room(self._refused)
            self._refused[digest] = until
            return
        _make_room(self._known)
        self._known[digest] = (until, found)
        self._any = (until, True)  # the first key's maker must not be taken for nobody a moment later
        if found.key_id is not None and len(self.used) < MOST_NOTED:
            self.used.add(found.key_id)

    async def note_for_ever(self, stores: Stores) -> None:
        """Keep, once a minute, which keys were used in it. What is lost with this process is not kept."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            noted, self.used = self.used, set()
            try:
                if noted:
                    await note_used(stores, sorted(noted))
            except StoreUnavailable:
                self.used |= noted


def _make_room(memory: dict[bytes, Any]) -> None:
    if len(memory) >= REMEMBERED:
        memory.clear()


def may(principal: Principal, scope: str) -> bool:
    """Whether the key allows ``scope``; an admin key allows everything."""
    return scope in principal.scopes or ADMIN in principal.scopes
