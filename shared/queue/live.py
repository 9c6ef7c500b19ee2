"""Who watches what in this process, and the one reader for all of them: told by Redis, and by a gentle poll besides.

Costs nothing while nobody watches: its connections begin with the first watcher, and end a while after the last.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from shared.batching import Batcher
from shared.broker.connection import Broker
from shared.broker.feed import Ear, wake_id
from shared.broker.keys import FINALS_CHANNEL, MOVES_CHANNEL, SAID_CHANNEL
from shared.broker.listener import listen
from shared.broker.output import EntryId, Fields, read_entries
from shared.children import end
from shared.db.session import Database
from shared.db.statements import lookup
from shared.domain.errors import StoreUnavailable

POLL_SECONDS = 1.0
"""One statement a second for all streams of the process, so that no lost word costs more."""
LINGER_POLLS = 15
"""After the last watcher: one that lost its stream comes back soon."""
READS_AT_ONCE = 16
"""An answer for each may hold a megabyte or two."""

Entries = Sequence[tuple[EntryId, Fields]]


class Watcher:
    """One open stream: woken when something may have come, and told whether the task moved or its run spoke."""

    def __init__(self) -> None:
        self.version = 0
        """Of the row as the stream saw it last."""
        self.has_moved = True
        self.has_said = False
        self._told = asyncio.Event()

    def tell(self, *, has_moved: bool = False, has_said: bool = False) -> None:
        self.has_moved |= has_moved
        self.has_said |= has_said
        self._told.set()

    def forget(self) -> None:
        """What comes from now on is news."""
        self.has_moved = self.has_said = False

    async def wait(self) -> None:
        """Until something may have come."""
        await self._told.wait()
        self._told.clear()


class Live:
    """The watchers of one process."""

    def __init__(self, db: Database, broker: Broker, result_url: str) -> None:
        self.ear = Ear(broker)
        self.is_ending = False
        self._db = db
        self._broker = broker
        self._result_url = result_url
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._tenants: Counter[int] = Counter()
        self._reads: Batcher[tuple[str, EntryId], Entries | None] = Batcher(self._read, most=READS_AT_ONCE)
        self._serving: asyncio.Task[None] | None = None
        self._children: set[asyncio.Task[None]] = set()

    @contextmanager
    def watching(self, watched: UUID) -> Iterator[Watcher]:
        """Watch a task, or by its ``wake_id`` a tenant. Read after this has begun: then no move falls in between."""
        watcher = Watcher()
        self._watchers.setdefault(watched, set()).add(watcher)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="live")
            self._children.add(self._serving)
            self._serving.add_done_callback(self._children.discard)
        try:
            yield watcher
        finally:
            self._watchers[watched].discard(watcher)
            if not self._watchers[watched]:
                del self._watchers[watched]

    @contextmanager
    def listening(self, tenant_id: int) -> Iterator[Watcher]:
        """Watch a tenant's feed, and have it written."""
        self._tenants[tenant_id] += 1
        try:
            with self.watching(wake_id(tenant_id)) as watcher:
                yield watcher
        finally:
            self._tenants[tenant_id] -= 1
            self._tenants += Counter()  # keeps those above zero

    async def read(self, key: str, after: EntryId) -> Entries | None:
        """The next entries of a stream in Redis; None: Redis is away. One round trip for all who ask meanwhile."""
        return await self._reads.add((key, after))

    def end_streams(self) -> None:
        """Nobody is told anything more: each stream ends, and its reader goes on elsewhere."""
        self.is_ending = True
        for watched in self._watchers:
            self._tell_moved(watched)

    async def close(self) -> None:
        self.end_streams()
        await end(*self._children)
        await self._reads.close()

    def _tell_moved(self, watched: UUID) -> None:
        for watcher in self._watchers.get(watched, ()):
            watcher.tell(has_moved=True)

    def _tell_said(self, watched: UUID) -> None:
        for watcher in self._watchers.get(watched, ()):
            watcher.tell(has_said=True)

    async def _serve(self) -> None:
        """Listen and poll, until nobody has watched for a while."""
        moved = self._tell_moved
        heard = {MOVES_CHANNEL: moved, FINALS_CHANNEL: moved, SAID_CHANNEL: self._tell_said}
        listeners = [asyncio.create_task(listen(self._result_url, channel, tell)) for channel, tell in heard.items()]
        try:
            idle_polls = 0
            while idle_polls < LINGER_POLLS:
                await asyncio.sleep(POLL_SECONDS)
                idle_polls = 0 if self._watchers else idle_polls + 1
                await self._poll()
        finally:
            self._serving = None  # a watcher that comes from now on begins anew
            await end(*listeners)

    async def _poll(self) -> None:
        for tenant_id in list(self._tenants):
            await self.ear.listen(tenant_id)
        found: Mapping[UUID, int] | None = None
        if self._watchers:
            try:
                async with self._db.autocommit() as session:
                    found = await lookup.versions(session, list(self._watchers))
            except StoreUnavailable:
                pass  # streams wait for it, as they do for Redis
        for watched, watchers in self._watchers.items():
            for watcher in watchers:
                watcher.tell(has_moved=found is not None and found.get(watched, -1) != watcher.version)

    async def _read(self, wanted: Sequence[tuple[str, EntryId]]) -> Sequence[Entries | None]:
        answers: dict[tuple[str, EntryId], Entries | None] = {}
        left = set(wanted)
        while left:
            # One call asks for each stream once; readers that stand at different places of it take turns.
            round_ = dict(left)
            found = await read_entries(self._broker, round_)
            for key, after in round_.items():
                answers[key, after] = None if found is None else found.get(key, [])
            left -= set(round_.items())
        return [answers[one] for one in wanted]
