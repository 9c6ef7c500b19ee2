"""The pump: while slots are free, claim due tasks by hint, by poll where hints fail, and start them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from shared.broker.hints import LIMITED, Taken
from shared.broker.wake import Waker
from shared.children import end
from shared.domain.errors import StoreUnavailable
from shared.domain.limits import Limits
from shared.domain.task import ClaimedTask
from shared.logs import get_logger
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.limits import LimitedClaims
from shared.queue.stores import Stores
from worker.engine.slots import Slots

POLL_SECONDS = 2.0
POLL_SECONDS_WITHOUT_REDIS = 0.2
OUTAGE_PAUSE_SECONDS = 0.5
HOLD_LOOK_SECONDS = 0.5
log = get_logger(__name__)


class Starts(Protocol):
    """Who runs what was claimed."""

    def claiming(self) -> AbstractContextManager[UUID]: ...
    def start(self, task: ClaimedTask) -> None: ...


class Pump:
    """Claims for one worker, and starts what it claimed."""

    def __init__(
        self,
        stores: Stores,
        who: Claimant,
        slots: Slots,
        waker: Waker,
        executions: Starts,
        limited: LimitedClaims | None = None,
    ) -> None:
        self._stores = stores
        self._who = who
        self._limited = limited or LimitedClaims(stores, who, Limits())
        self._last_tenant = 0
        self._slots = slots
        self._waker = waker
        self._executions = executions
        self._stopping = asyncio.Event()
        self._may_claim = asyncio.Event()
        self._may_claim.set()
        self._next_poll = 0.0
        self._more_may_wait = False
        self._next_due = POLL_SECONDS

    def stop(self) -> None:
        """Claim nothing more; ``run`` returns."""
        self._stopping.set()
        self._slots.stop_waiting()

    def hold(self) -> None:
        """Claim nothing until ``go_on``: the last heartbeat failed."""
        self._may_claim.clear()

    def go_on(self) -> None:
        self._may_claim.set()

    async def run(self, *, burst: bool = False) -> None:
        """Pump until stopped; in burst mode, until nothing is due and nothing runs."""
        while not self._stopping.is_set():
            free = await self._slots.wait_free()
            if self._stopping.is_set():
                return
            if not self._may_claim.is_set():
                await self._first_of(asyncio.create_task(_set(self._may_claim)), HOLD_LOOK_SECONDS)
                continue
            try:
                started = await self._claim_and_start(free)
            except StoreUnavailable:
                log.warning("claim_failed", reason="database away")
                await self._pause(OUTAGE_PAUSE_SECONDS)
                continue
            if not started:
                if burst and self._slots.all_free and self._limited.seconds > 0:
                    return
                await self._idle()

    async def _claim_and_start(self, free: int) -> int:
        """Claim under a lease that is known before the call and until its tasks have started."""
        with self._executions.claiming() as lease:
            claimed = await self._claim(free, lease)
            for task in claimed:
                self._slots.take()
                self._executions.start(task)
        return len(claimed)

    async def _claim(self, free: int, lease: UUID) -> Sequence[ClaimedTask]:
        """By poll in its turn, however many hints there are: one may be lost. Else by hint.

        A poll that came back full is followed by another as soon as there is no hint.
        """
        if time.monotonic() >= self._next_poll and (polled := await self._poll(free, lease)):
            return polled
        if self._limited.has_turn() and (limited := await self._limited.claim(free, lease=lease)):
            return limited
        while not self._stopping.is_set() and (taken := await self._take(free)).ids:
            if claimed := await claim_hinted(self._stores, self._who, taken.ids, lease=lease):
                return claimed
        return await self._poll(free, lease) if self._more_may_wait else []

    async def _take(self, free: int) -> Taken:
        broker = self._stores.broker
        taken = await broker.guarded(self._stores.hints.take(self._who.queues, free))
        if taken is None:
            return Taken([], None)
        self._next_due = POLL_SECONDS if taken.next_due_ms is None else taken.next_due_ms / 1000
        if LIMITED in taken.ids:
            self._limited.notice()
        return Taken([task_id for task_id in taken.ids if task_id != LIMITED], taken.next_due_ms)

    async def _poll(self, free: int, lease: UUID) -> Sequence[ClaimedTask]:
        """Claim what no hint told of. Full hands mean that there may be more."""
        claimed = await claim_next(self._stores, self._who, free, lease=lease, after=self._last_tenant)
        interval = POLL_SECONDS_WITHOUT_REDIS if self._stores.broker.is_away else POLL_SECONDS
        self._next_poll = time.monotonic() + interval
        self._limited.look_every(interval)
        # Fewer than asked for may only mean that tenants had a share of each.
        self._more_may_wait = bool(claimed)
        tenants = {self._last_tenant, *(task.tenant_id for task in claimed)}
        if claimed and len(tenants) > 1:
            # Several wait, and hints know no turns: the next claim is a poll again.
            self._next_poll = time.monotonic()
        self._last_tenant = claimed[-1].tenant_id if claimed else self._last_tenant
        return claimed

    async def _idle(self) -> None:
        """Sleep until a hint, the next deferred one, the next poll, or the stop."""
        if self._stores.broker.is_away:
            # A poll planned while Redis was there would come late: now it is all there is.
            self._next_poll = min(self._next_poll, time.monotonic() + POLL_SECONDS_WITHOUT_REDIS)
        seconds = max(0.0, min(self._next_poll - time.monotonic(), self._next_due, self._limited.seconds))
        if self._stores.broker.is_away:
            await self._pause(min(seconds, POLL_SECONDS_WITHOUT_REDIS))
        elif seconds > 0:
            sleeping = asyncio.create_task(self._waker.sleep(seconds))
            if not await self._first_of(sleeping, seconds + 0.5):
                self._stores.broker.trip()  # Redis should have ended the sleep by itself: it hangs

    async def _pause(self, seconds: float) -> None:
        await self._first_of(asyncio.create_task(asyncio.sleep(seconds)), seconds + 0.5)

    async def _first_of(self, wait: asyncio.Task[None], most: float) -> bool:
        """Until ``wait`` or the stop, at most ``most`` seconds; False: neither came."""
        stopping = asyncio.create_task(_set(self._stopping))
        try:
            done, _ = await asyncio.wait({wait, stopping}, timeout=most, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            await end(wait, stopping)


async def _set(event: asyncio.Event) -> None:
    await event.wait()
