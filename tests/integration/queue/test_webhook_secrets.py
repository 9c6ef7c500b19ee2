"""The secrets that sign webhooks: made once, rotated with an overlap, never without end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.domain.errors import Conflict
from shared.queue.stores import Stores
from shared.queue.webhook_secrets import MOST_VALID, prune_secrets, rotate_secret, valid_secrets
from tests.support.scenes.making import execute
from tests.support.verbs import TENANT


async def test_a_tenant_has_one_secret_however_many_ask_first(stores: Stores) -> None:
    found = await asyncio.gather(*(valid_secrets(stores, TENANT) for _ in range(5)))
    assert len({secrets[0].text for secrets in found}) == 1
    assert found[0][0].text.startswith("whsec_")
    async with stores.db.autocommit() as session:
        stored = (await session.execute(text("SELECT salt FROM webhook_secrets"))).scalars().all()
    assert len(stored) == 1
    assert stored[0].hex() not in found[0][0].text, "the table alone signs nothing"


async def test_a_rotated_secret_signs_for_a_day(stores: Stores) -> None:
    [before] = await valid_secrets(stores, TENANT)
    now, previous = await rotate_secret(stores, TENANT)
    assert (previous.text, now.expires_at) == (before.text, None)
    assert now.text != before.text
    assert previous.expires_at is not None
    assert timedelta(hours=23, minutes=59) < previous.expires_at - now.created_at < timedelta(hours=24, minutes=1)
    await execute(stores, "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
    assert [s.text for s in await valid_secrets(stores, TENANT)] == [now.text]
    await prune_secrets(stores)
    assert [s.text for s in await valid_secrets(stores, TENANT)] == [now.text]


async def test_rotations_at_once_and_without_end_are_refused(stores: Stores) -> None:
    await valid_secrets(stores, TENANT)
    done = await asyncio.gather(*(rotate_secret(stores, TENANT) for _ in range(3)), return_exceptions=True)
    assert any(isinstance(one, list) for one in done)
    while len(secrets := await valid_secrets(stores, TENANT)) < MOST_VALID:
        await rotate_secret(stores, TENANT)
    assert [s.expires_at is None for s in secrets] == [True] + [False] * (MOST_VALID - 1)
    with pytest.raises(Conflict):
        await rotate_secret(stores, TENANT)
