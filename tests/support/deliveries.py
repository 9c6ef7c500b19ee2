"""Deliveries of webhooks: a task that is to be told, the one it has, one taken, and what attempts come to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.domain.verdict import completed
from shared.domain.webhooks import Attempted, ClaimedDelivery, Delivery
from shared.queue.stores import Stores
from shared.queue.webhooks import claim, deliveries_of
from tests.support.scenes.making import ended, execute, running
from tests.support.verbs import TENANT

URL = "https://hooks.example/a?b=c"
OK, BROKEN, GONE = (Attempted(status, None, 0.25) for status in (204, 500, 410))


async def one(stores: Stores, url: str = URL) -> UUID:
    """A task that has ended, and is to be told."""
    run = await running(stores, callback_url=url)
    await ended(stores, run, completed('{"n": 1}'))
    return run.id


async def only(stores: Stores, task_id: UUID) -> Delivery:
    [found] = await deliveries_of(stores, TENANT, task_id)
    return found


async def taken(stores: Stores, **given: Any) -> ClaimedDelivery:
    [delivery] = await claim(stores, **{"most": 10, **given})
    return delivery


async def due_again(stores: Stores) -> None:
    await execute(stores, "UPDATE webhook_deliveries SET due_at = now()")
