"""The feed of a tenant: written behind the work, grouped and droppable, and only while somebody listens.

Nothing depends on it: PostgreSQL has what is true. But a reader never takes a hole for silence: entries are numbered,
and what could not be written is counted with the next that can.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import groupby
from typing import Any, cast
from uuid import UUID

import orjson

from shared.broker.connection import Broker, channel_of
from shared.broker.keys import FEED_MAX_ENTRIES, LISTENING_TTL_SECONDS, MOVES_CHANNEL, feed_key, listening_key
from shared.domain.happenings import Happening

QUIET_SECONDS = 0.25
"""Nobody listened: so long nothing is offered, and nobody pays more than a look at the clock."""
WAITING_LIMIT = 20_000
CALL_ENTRIES = 200
SHOWN = ("id", "type", "queue", "status", "attempt", "generation", "wait", "duration")


class FeedWriter:
    """One process's part of the feeds. ``send_for_ever`` is a child of whoever owns it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._append = broker.results.register_script(files("shared.broker").joinpath("feed.lua").read_text())
        self._waiting: deque[tuple[Happening, datetime]] = deque()
        self._lost: Counter[int] = Counter()
        self._filled = asyncio.Event()
        self._quiet_until = 0.0

    def tell(self, happenings: Iterable[Happening]) -> None:
        """Send them soon, if somebody listens: never waits, never fails. They are not even made where nobody does."""
        if time.monotonic() < self._quiet_until:
            return
        now = datetime.now(UTC)
        for happening in happenings:
            if len(self._waiting) < WAITING_LIMIT:
                self._waiting.append((happening, now))
            else:
                self._lost[happening.tenant_id] += 1
        if self._waiting:
            self._filled.set()

    async def send_for_ever(self) -> None:
        """Natural batching: each round sends what gathered while the last one was under way."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(CALL_ENTRIES, len(self._waiting)))]
                if not await self._send(batch):
                    self._quiet_until = time.monotonic() + QUIET_SECONDS
                    self._waiting.clear()

    async def _send(self, batch: Sequence[tuple[Happening, datetime]]) -> bool:
        """Whether somebody listens, or may: nothing is known of it while Redis is away."""
        has_listeners = False
        by_tenant = sorted(batch, key=lambda told: told[0].tenant_id)  # stable: each tenant's stay in order
        for tenant_id, told in groupby(by_tenant, key=lambda told: told[0].tenant_id):
            has_listeners |= await self._send_to(tenant_id, list(told))
        return has_listeners

    async def _send_to(self, tenant_id: int, told: Sequence[tuple[Happening, datetime]]) -> bool:
        ids = " ".join([str(wake_id(tenant_id)), *(str(happening.id) for happening, _ in told)])
        channel = channel_of(self._broker.results, MOVES_CHANNEL)
        arguments: list[Any] = [channel, ids, self._lost[tenant_id], FEED_MAX_ENTRIES, LISTENING_TTL_SECONDS]
        for happening, at in told:
            arguments += [happening.name, happening.type, happening.queue, happening.status, _json(happening, at)]
        call = self._append(keys=[listening_key(tenant_id), feed_key(tenant_id)], args=arguments)
        listeners = await self._broker.guarded(call)
        if listeners is None:
            self._lost[tenant_id] += len(told)
            return True
        self._lost.pop(tenant_id, None)
        return bool(listeners)


@dataclass(frozen=True, slots=True)
class Listening:
    """A feed that is written: its epoch, its last entry, and whether the epoch begins with us."""

    epoch: int
    last: int
    begins: bool


class Ear:
    """Says that somebody listens."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._listen = broker.results.register_script(files("shared.broker").joinpath("listen.lua").read_text())

    async def listen(self, tenant_id: int) -> Listening | None:
        """Have the tenant's feed written for another while. None: Redis is away."""
        call = self._listen(keys=[listening_key(tenant_id), feed_key(tenant_id)], args=[LISTENING_TTL_SECONDS])
        answer = await self._broker.guarded(call)
        if answer is None:
            return None
        epoch, last, begins = cast("tuple[int, int, int]", answer)
        return Listening(epoch, last, bool(begins))


def wake_id(tenant_id: int) -> UUID:
    """What stands for all of a tenant's tasks on the channel of moves. No UUIDv7 of ours is that small."""
    return UUID(int=tenant_id)


def _json(happening: Happening, at: datetime) -> bytes:
    shown = {name: getattr(happening, name) for name in SHOWN}
    return orjson.dumps({**shown, "id": str(happening.id), "at": at}, option=orjson.OPT_UTC_Z)
