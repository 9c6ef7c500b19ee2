"""The courier: carries due webhooks to their receivers, many at once, so many to one host, and none for ever."""

from __future__ import annotations

import asyncio
import time

from shared.domain.errors import StoreUnavailable
from shared.domain.webhooks import Attempted, ClaimedDelivery, DeliveryState
from shared.logs import get_logger
from shared.metrics import WEBHOOKS
from shared.queue.stores import Stores
from shared.queue.webhooks import ATTEMPT_SECONDS, FIRST_LANE, LEASE_SECONDS, Lane, attempt, claim, give_back, record

MOST_AT_ONCE = 64
"""Attempts under way in one worker."""
MOST_PER_CLAIM = 16
"""An event may be hundreds of kilobytes: they are not all fetched at once."""
WRITERS = 2
"""Connections of the pool that recording may take."""
POLL_SECONDS = 1.5
"""Between two looks that found nothing: each is two statements."""
RECORD_AGAIN_SECONDS = 0.5
GIVE_BACK_SECONDS = 2.0
log = get_logger(__name__)


class Courier:
    """One worker's part. It remembers the lane it stopped at, so that every lane has its turn."""

    def __init__(
        self, stores: Stores, *, attempt_seconds: float = ATTEMPT_SECONDS, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._stores = stores
        self._attempt_seconds = attempt_seconds
        self._lease_seconds = lease_seconds
        self._free = MOST_AT_ONCE
        self._after: Lane = FIRST_LANE
        self._came_back = asyncio.Event()
        self._writing = asyncio.Semaphore(WRITERS)
        for state in DeliveryState:
            WEBHOOKS.expect(state.value)

    async def run(self) -> None:
        """Until cancelled; what is under way then is given back."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._came_back.clear()
                taken = await self._take()
                for delivery in taken:
                    self._free -= 1
                    group.create_task(self._carry(delivery), name=f"webhook-{delivery.id}")
                if not taken:
                    await self._rest()

    async def _take(self) -> list[ClaimedDelivery]:
        """Due deliveries, from where the last ones ended; nothing once all lanes were asked."""
        while most := min(self._free, MOST_PER_CLAIM):
            try:
                taken = await claim(self._stores, most=most, after=self._after, lease_seconds=self._lease_seconds)
            except StoreUnavailable:
                return []  # the other chores say so
            except Exception:
                # No webhook is worth the tasks that run beside it.
                log.exception("webhooks_not_claimed")
                return []
            asked_all = self._after == FIRST_LANE
            self._after = (taken[-1].tenant_id, taken[-1].endpoint) if len(taken) == most else FIRST_LANE
            if taken or asked_all:
                return taken
        return []

    async def _rest(self) -> None:
        """Until one came back, or a moment."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._came_back.wait()
        except TimeoutError:
            pass

    async def _carry(self, delivery: ClaimedDelivery) -> None:
        try:
            done = await attempt(self._stores, delivery, timeout=self._attempt_seconds)
            state = await self._recorded(delivery, done)
        except asyncio.CancelledError:
            await self._give_back(delivery)
            raise
        except StoreUnavailable:
            log.warning("webhook_not_recorded", delivery=str(delivery.id))  # it is sent again once its lease is over
        except Exception:
            # No webhook is worth the tasks that run beside it, or the other webhooks.
            log.exception("webhook_crashed", delivery=str(delivery.id))
        else:
            WEBHOOKS.add(state.value if state is not None else "overtaken")
            if state is not DeliveryState.DELIVERED:
                log.info(
                    "webhook_failed",
                    delivery=str(delivery.id),
                    subject=str(delivery.subject.id),
                    endpoint=delivery.endpoint,
                    status=done.status,
                    error=done.error,
                    state=state,
                )
        finally:
            self._free += 1
            self._came_back.set()

    async def _recorded(self, delivery: ClaimedDelivery, done: Attempted) -> DeliveryState | None:
        """Repeated while the database is away: what is not recorded is sent a second time."""
        ends_at = time.monotonic() + self._lease_seconds
        while True:
            try:
                async with self._writing:
                    return await record(self._stores, delivery, done)
            except StoreUnavailable:
                if time.monotonic() > ends_at:
                    raise
            await asyncio.sleep(RECORD_AGAIN_SECONDS)

    async def _give_back(self, delivery: ClaimedDelivery) -> None:
        """At the worker's end: another need not wait for the lease."""
        try:
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                await give_back(self._stores, delivery)
        except (StoreUnavailable, TimeoutError):
            log.warning("webhook_not_given_back", delivery=str(delivery.id))
