"""The feed of a tenant as a stream: what happens to its tasks, from Redis alone. A hole in it is told as a ``gap``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Self

from shared.broker.feed import QUIET_SECONDS
from shared.broker.keys import feed_key
from shared.broker.output import EntryId, Fields
from shared.domain.live import Event
from shared.queue.live import Entries
from shared.queue.stores import Stores

FORM = re.compile(r"(\d{1,15})-(\d{1,15})", re.ASCII)
OUTAGE_PAUSE_SECONDS = 1.0
FIRST_PAUSE_SECONDS = QUIET_SECONDS + 0.05
"""Writers that have just heard that nobody listens look again by then."""


@dataclass(frozen=True, slots=True, order=True)
class FeedPlace:
    """Where a reader stands: behind the entry ``number`` of an epoch of the feed. A flush of Redis begins the next."""

    epoch: int
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError, where ``text`` is no place."""
        found = FORM.fullmatch(text)
        if found is None:
            raise ValueError("not the id of an event")
        return cls(int(found[1]), int(found[2]))

    @property
    def entry(self) -> EntryId:
        return (self.epoch, self.number)


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """What a feed is narrowed to; empty means any."""

    types: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()

    def takes(self, fields: Fields) -> bool:
        wanted = ((b"type", self.types), (b"queue", self.queues), (b"status", self.statuses))
        return all(not any_of or fields[name].decode() in any_of for name, any_of in wanted)


async def follow_feed(
    stores: Stores, tenant_id: int, wanted: FeedFilter, after: FeedPlace | None
) -> AsyncGenerator[Event | None, None]:
    """What happens from now on, or behind ``after``. The first item is None: from here on nothing is missed."""
    live, key = stores.live, feed_key(tenant_id)
    with live.listening(tenant_id) as watcher:
        now = await _now(stores, tenant_id)
        place = after or now
        if after is not None and now is not None and now.epoch != after.epoch:
            place = FeedPlace(now.epoch, 0)
            yield Event(str(place), "gap", {"missing": None})
        yield None
        while place is None and not live.is_ending:
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            if (place := await _now(stores, tenant_id)) is not None:
                yield Event(str(place), "gap", {"missing": None})
        while place is not None and not live.is_ending:
            while entries := await live.read(key, place.entry):
                for reached, event in happened(place, entries, wanted):
                    place = reached
                    if event is not None:
                        yield event
            await watcher.wait()


def happened(place: FeedPlace, entries: Entries, wanted: FeedFilter) -> Iterator[tuple[FeedPlace, Event | None]]:
    """``entries`` behind ``place``, each with its place: as an event where it is wanted. A hole is told."""
    for (epoch, number), fields in entries:
        if (epoch, number) != (place.epoch, place.number + 1):
            missing = number - place.number - 1 if epoch == place.epoch else None
            before = FeedPlace(epoch, number - 1)
            yield before, Event(str(before), "gap", {"missing": missing})
        place = FeedPlace(epoch, number)
        is_wanted = wanted.takes(fields)
        yield place, Event(str(place), fields[b"event"].decode(), fields[b"data"]) if is_wanted else None


async def _now(stores: Stores, tenant_id: int) -> FeedPlace | None:
    """The end of the feed, which is written from now on; None: Redis is away."""
    listening = await stores.live.ear.listen(tenant_id)
    if listening is None:
        return None
    if listening.begins:
        await asyncio.sleep(FIRST_PAUSE_SECONDS)
    return FeedPlace(listening.epoch, listening.last)
