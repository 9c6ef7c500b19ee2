"""Webhooks: a task's last event to its ``callback_url``, at least once, signed, through the guard of ``outbound``.

The row of a delivery is written by the statement that ends the task, and by it the workflow (triggers); here it is
claimed, tried, recorded.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from shared.db.statements import lookup, workflows
from shared.db.statements import webhooks as statements
from shared.domain.errors import Conflict, InputRefused, NotFound, OutboundRefused, ProviderUnavailable
from shared.domain.ids import new_id
from shared.domain.webhooks import Attempted, ClaimedDelivery, Delivery, DeliveryState, decide, derive, event, signed
from shared.outbound import check, post
from shared.queue.audit import Actor, note
from shared.queue.stores import Stores
from shared.queue.webhook_secrets import salts_of, secret_key
from shared.settings import Settings

ATTEMPT_SECONDS = 15.0
"""For name, connection, request and answer together: the specification wants 15 to 30."""
LEASE_SECONDS = 20.0
"""Longer than an attempt: what is still held then was held by a process that died."""
MOST_OF_A_LANE = 8
"""Attempts under way at once to one host for one tenant, over all workers."""
MOST_STAGED = 500
Lane = tuple[int, str]
FIRST_LANE: Lane = statements.FIRST


def check_callback(settings: Settings, url: str) -> None:
    """Refuse a URL that no attempt could ever reach. Names are resolved, and checked, at each attempt.

    Raises: InputRefused.
    """
    try:
        check(url, settings.outbound_allow)
    except OutboundRefused as error:
        raise InputRefused([("/callback_url", str(error))]) from error


async def claim(
    stores: Stores, *, most: int, after: Lane = FIRST_LANE, lease_seconds: float = LEASE_SECONDS
) -> list[ClaimedDelivery]:
    """Take at most ``most`` due deliveries of the lanes after ``after``. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        await statements.stage(session, most=MOST_STAGED)
        return await statements.claim(
            session,
            lease=new_id(),
            lease_seconds=lease_seconds,
            most=most,
            most_of_a_lane=MOST_OF_A_LANE,
            after=after,
        )


async def attempt(stores: Stores, delivery: ClaimedDelivery, *, timeout: float = ATTEMPT_SECONDS) -> Attempted:
    """Send it once. Raises: StoreUnavailable, ConfigurationError."""
    salts = delivery.salts or await salts_of(stores, delivery.tenant_id)
    key = secret_key(stores.settings)
    secrets = [derive(key, delivery.tenant_id, salt) for salt in salts]
    body = event(delivery.type, delivery.subject)
    headers = {"Content-Type": "application/json", **signed(delivery.id, datetime.now(UTC), body, secrets)}
    began = time.monotonic()
    try:
        answer = await post(delivery.url, body, headers, allow=stores.settings.outbound_allow, timeout=timeout)
    except (OutboundRefused, ProviderUnavailable) as error:
        return Attempted(None, str(error), time.monotonic() - began)
    refusal = "redirects are not followed" if 300 <= answer.status < 400 else None
    return Attempted(answer.status, refusal, time.monotonic() - began, answer.retry_after)


async def record(stores: Stores, delivery: ClaimedDelivery, done: Attempted) -> DeliveryState | None:
    """Write how an attempt went; None: the lease was lost meanwhile. Raises: StoreUnavailable."""
    jitter = random.random()  # noqa: S311 # nosec B311 # spreads attempts, keeps no secret
    state, delay = decide(done, delivery.step, scale=stores.settings.retry_backoff_scale, jitter=jitter)
    async with stores.db.autocommit() as session:
        return state if await statements.record(session, delivery, done, state, delay) else None


async def give_back(stores: Stores, delivery: ClaimedDelivery) -> None:
    """Let another process have it at once. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        await statements.give_back(session, delivery)


async def deliveries_of(stores: Stores, tenant_id: int, task_id: UUID) -> list[Delivery]:
    """A task's deliveries, one a generation. Raises: NotFound, StoreUnavailable."""
    async with stores.db.autocommit() as session:
        found = await statements.of_task(session, tenant_id, task_id)
        if not found and await lookup.get_task(session, tenant_id, task_id) is None:
            raise NotFound
    return found


async def deliveries_of_workflow(stores: Stores, tenant_id: int, workflow_id: UUID) -> list[Delivery]:
    """A workflow's own deliveries, one a generation. Raises: NotFound, StoreUnavailable."""
    async with stores.db.autocommit() as session:
        found = await statements.of_workflow(session, tenant_id, workflow_id)
        if not found and await workflows.get(session, tenant_id, workflow_id) is None:
            raise NotFound
    return found


async def delivery_page(
    stores: Stores,
    tenant_id: int,
    states: Collection[DeliveryState] = (),
    *,
    limit: int,
    before: UUID | None = None,
) -> list[Delivery]:
    """The tenant's deliveries in one of ``states`` (none named: in any), newest first. Raises: StoreUnavailable."""
    wanted = frozenset(states or DeliveryState)
    async with stores.db.autocommit() as session:
        return await statements.page(session, tenant_id, wanted, limit=limit, before=before)


async def replay(stores: Stores, tenant_id: int, delivery_id: UUID, by: Actor | None = None) -> Delivery:
    """Send it again, now, under the same id and with the whole schedule before it.

    Raises: NotFound; Conflict while an attempt is under way; StoreUnavailable.
    """
    async with stores.db.transaction() as session:
        delivery = await statements.replay(session, tenant_id, delivery_id)
        if delivery is None:
            if not await statements.exists(session, tenant_id, delivery_id):
                raise NotFound
            raise Conflict("An attempt of this delivery is under way.")
        await note(session, by, "delivery.replay", delivery_id, task=str(delivery.task_id))
    return delivery
