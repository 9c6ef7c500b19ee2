"""The pump: while slots are free, claim due tasks by hint, by poll where hints fail, and start them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from shared.broker.hints import LIMITED_HINT, Taken
from shared.broker.wake import Waker
from shared.children import end
from shared.domain.errors import StoreUnavailable
from shared.domain.limits import Limits
from shared.domain.task import ClaimedTask
from shared.logs import get_logger
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.limits import LimitedClaims
from shared.queue.stores import Stores
from worker.engine.slots import Reserved, Slots

POLL_SECONDS = 2.0
POLL_SECONDS_WITHOUT_REDIS = 0.2
OUTAGE_PAUSE_SECONDS = 0.5
HOLD_LOOK_SECONDS = 0.5
POLLS_ON_END = 3
"""After Redis had nothing, while they come back full: a look for hints is a round trip. Then it is asked again."""
log = get_logger(__name__)


class Starts(Protocol):
    """Who runs what was claimed."""

    def claiming(self) -> AbstractContextManager[UUID]: ...
    def start(self, task: ClaimedTask) -> None: ...


class Pump:
    """Claims for one worker, and starts what it claimed, with two hands: one claims while what the other claimed runs.

    The second helps while claims come back full; the first sleeps while nothing is due.
    """

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
        self._most = max(1, slots.count // 2)
        self._waker = waker
        self._executions = executions
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once nothing more is to be claimed: every wait ends with it."""
        self._may_claim = asyncio.Event()
        self._may_claim.set()
        self._is_busy = asyncio.Event()
        self._woken_for: str | None = None
        self._next_poll = 0.0
        self._more_may_wait = False
        self._next_due = POLL_SECONDS
        self._polls_on_end = 0

    def stop(self) -> None:
        """Claim nothing more; ``run`` returns once the claims under way have started their tasks."""
        if not self._stopped.done():
            self._stopped.set_result(None)
        self._is_busy.set()
        self._slots.stop_waiting()

    def hold(self) -> None:
        """Claim nothing until ``go_on``: the last heartbeat failed."""
        self._may_claim.clear()

    @property
    def is_held(self) -> bool:
        """Whether the last heartbeat failed, or there was none yet."""
        return not self._may_claim.is_set()

    def go_on(self) -> None:
        self._may_claim.set()

    async def run(self, *, burst: bool = False) -> None:
        """Pump until stopped; in burst mode, until nothing is due and nothing runs."""
        async with asyncio.TaskGroup() as hands:
            hands.create_task(self._second_hand(), name="second-hand")
            await self._first_hand(burst=burst)

    async def _first_hand(self, *, burst: bool) -> None:
        while not self._stopped.done():
            task_id, self._woken_for = self._woken_for, None
            if await self._round(task_id) == 0:
                if burst and self._slots.all_free and self._limited.seconds > 0:
                    self.stop()
                    return
                await self._idle()

    async def _second_hand(self) -> None:
        while not self._stopped.done():
            await self._is_busy.wait()
            if await self._round() != self._most:
                self._is_busy.clear()

    async def _round(self, woken_for: str | None = None) -> int | None:
        """Claim what there are slots for; returns how many were started. None: this was no time to claim."""
        free = await self._slots.wait_free()
        if self._stopped.done():
            return None
        if not self._may_claim.is_set():
            await self._first_of(asyncio.create_task(self._may_claim.wait()), HOLD_LOOK_SECONDS)
            return None
        try:
            started = await self._claim_and_start(min(free, self._most), woken_for)
        except StoreUnavailable:
            log.warning("claim_failed", reason="database away")
            await self._pause(OUTAGE_PAUSE_SECONDS)
            return None
        if started == self._most:
            self._is_busy.set()
        return started

    async def _claim_and_start(self, most: int, woken_for: str | None) -> int:
        """Claim under a lease that is known before the call and until its tasks have started."""
        with self._slots.reserved(most) as reserved, self._executions.claiming() as lease:
            if woken_for is not None:
                await self._claim_woken(woken_for, reserved, lease)
            else:
                await self._claim(reserved, lease)
            return reserved.used

    async def _claim_woken(self, task_id: str, reserved: Reserved, lease: UUID) -> None:
        """That task at once; then Redis is asked what else is due. Its own hint comes along there, or later.

        Both at once would be slower: three processes would share the two that wait for the claim.
        """
        self._start(reserved, await claim_hinted(self._stores, self._who, [task_id], lease=lease))
        others = [other for other in (await self._take(reserved.left)).ids if other != task_id] if reserved.left else []
        if others:
            self._start(reserved, await claim_hinted(self._stores, self._who, others, lease=lease))

    async def _claim(self, reserved: Reserved, lease: UUID) -> None:
        """By poll in its turn, however many hints there are: one may be lost. Else by hint.

        A poll that came back full is followed by another as soon as there is no hint.
        """
        if time.monotonic() >= self._next_poll and await self._poll(reserved, lease):
            return
        if self._more_may_wait and self._polls_on_end > 0:
            self._polls_on_end -= 1
            if await self._poll(reserved, lease):
                return
        asked = found = reserved.left
        if self._limited.has_turn() and self._start(reserved, await self._limited.claim(asked, lease=lease)):
            return
        while found == asked and not self._stopped.done():
            ids = (await self._take(asked)).ids
            found = len(ids)
            if ids and self._start(reserved, await claim_hinted(self._stores, self._who, ids, lease=lease)):
                return
        self._polls_on_end = 0 if found else POLLS_ON_END
        if self._more_may_wait:
            await self._poll(reserved, lease)

    def _start(self, reserved: Reserved, claimed: Sequence[ClaimedTask]) -> int:
        for task in claimed:
            reserved.left -= 1
            self._executions.start(task)
        return len(claimed)

    async def _take(self, most: int) -> Taken:
        broker = self._stores.broker
        taken = await broker.guarded(self._stores.hints.take(self._who.queues, most))
        if taken is None:
            return Taken([], None)
        self._next_due = POLL_SECONDS if taken.next_due_ms is None else taken.next_due_ms / 1000
        if LIMITED_HINT in taken.ids:
            self._limited.notice()
        return Taken([task_id for task_id in taken.ids if task_id != LIMITED_HINT], taken.next_due_ms)

    async def _poll(self, reserved: Reserved, lease: UUID) -> int:
        """Claim what no hint told of; returns how many."""
        self._plan_poll()
        claimed = await claim_next(self._stores, self._who, reserved.left, lease=lease, after=self._last_tenant)
        self._plan_poll()
        # Fewer than asked for may only mean that tenants had a share of each.
        self._more_may_wait = bool(claimed)
        tenants = {self._last_tenant, *(task.tenant_id for task in claimed)}
        if claimed and len(tenants) > 1:
            # Several wait, and hints know no turns: the next claim is a poll again.
            self._next_poll = time.monotonic()
        self._last_tenant = claimed[-1].tenant_id if claimed else self._last_tenant
        return self._start(reserved, claimed)

    def _plan_poll(self) -> None:
        """The next one; also before it begins, as both hands would poll at once."""
        interval = POLL_SECONDS_WITHOUT_REDIS if self._stores.broker.is_away else POLL_SECONDS
        self._next_poll = time.monotonic() + interval
        self._limited.look_every(interval)

    async def _idle(self) -> None:
        """Sleep until a hint, the next deferred one, the next poll, or the stop."""
        if self._stores.broker.is_away:
            # A poll planned while Redis was there would come late: now it is all there is.
            self._next_poll = min(self._next_poll, time.monotonic() + POLL_SECONDS_WITHOUT_REDIS)
        seconds = max(0.0, min(self._next_poll - time.monotonic(), self._next_due, self._limited.seconds))
        if self._stores.broker.is_away:
            await self._pause(min(seconds, POLL_SECONDS_WITHOUT_REDIS))
        elif seconds > 0:
            await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        sleeping = asyncio.create_task(self._waker.sleep(seconds))
        if not await self._first_of(sleeping, seconds + 0.5):
            self._stores.broker.trip()  # Redis should have ended the sleep by itself: it hangs
        elif sleeping.done() and not sleeping.cancelled():
            self._woken_for = sleeping.result()
            if self._woken_for == LIMITED_HINT:
                self._woken_for = None
                self._limited.notice()

    async def _pause(self, seconds: float) -> None:
        await self._first_of(asyncio.create_task(asyncio.sleep(seconds)), seconds + 0.5)

    async def _first_of(self, wait: asyncio.Task[Any], most: float) -> bool:
        """Until ``wait`` or the stop, at most ``most`` seconds; False: neither came."""
        try:
            done, _ = await asyncio.wait({wait, self._stopped}, timeout=most, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            if not wait.done():
                await end(wait)
