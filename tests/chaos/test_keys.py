"""A rotation that something happens to, at each of its awaits: a key works throughout, and no second one is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.domain.errors import StoreUnavailable
from shared.queue.issuing import list_keys, rotate_key
from shared.queue.keys import authenticate
from shared.queue.stores import Stores
from tests.support.failpoints import Died, Failpoints, Harm, harmed
from tests.support.keys import key
from tests.support.verbs import TENANT


async def rotate(stores: Stores, key_id: str) -> str:
    async with stores.db.transaction() as session:
        made = await rotate_key(session, stores.settings, TENANT, key_id, overlap=timedelta(hours=1))
    return made.token


async def awaits(stores: Stores) -> int:
    points = Failpoints()
    await rotate(harmed(stores, points), (await key(stores, "admin")).id)
    return len(points.passed)


@pytest.mark.parametrize("harm", [Harm.DIES_BEFORE, Harm.DIES_AFTER, Harm.AWAY, Harm.REPLY_LOST])
async def test_a_rotation_is_whole_or_not_at_all(stores: Stores, harm: Harm) -> None:
    for at in range(await awaits(stores)):
        old = await key(stores, "admin")
        points = Failpoints(harm, at)
        with suppress(Died, StoreUnavailable, asyncio.CancelledError):
            await rotate(harmed(stores, points), old.id)
        assert points.has_struck
        found = {one.id: one for one in await list_keys(stores, TENANT)}
        successor = found[old.id].replaced_by
        assert (successor is None) == (found[old.id].expires_at is None)
        assert successor is None or successor in found
        # Whoever did not hear of the successor's secret still has the old key, and can rotate that one.
        assert await authenticate(stores, old.token)
        if successor is not None:
            assert await authenticate(stores, await rotate(stores, successor))
