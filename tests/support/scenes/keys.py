"""What admins do to keys: to their own tenant's alone, and once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from shared.domain.errors import Conflict, NotFound
from shared.queue.issuing import revoke_key, rotate_key
from shared.queue.keys import authenticate
from shared.queue.stores import Stores
from tests.support.keys import Made, key
from tests.support.scenes.making import execute
from tests.support.verbs import TENANT

OTHERS = "others"


async def rotated(stores: Stores, tenant_id: int, key_id: str) -> str | None:
    """The successor's token; None: refused."""
    try:
        async with stores.db.transaction() as session:
            made = await rotate_key(session, stores.settings, tenant_id, key_id, overlap=timedelta(days=1))
    except (Conflict, NotFound):
        return None
    return made.token


async def revoked(stores: Stores, made: Made, tenant_id: int) -> None:
    try:
        async with stores.db.transaction() as session:
            await revoke_key(session, tenant_id, made.id)
    except NotFound:
        return


async def another_tenant_rotates(stores: Stores) -> None:
    made = await key(stores, "admin", tenant=OTHERS)
    assert await rotated(stores, TENANT, made.id) is None, "a key of another tenant was made"


async def another_tenant_revokes(stores: Stores) -> None:
    made = await key(stores, "admin", tenant=OTHERS)
    await revoked(stores, made, TENANT)
    assert await authenticate(stores, made.token), "another tenant's key was revoked"


async def two_rotations_meet(stores: Stores) -> None:
    made = await key(stores, "read")
    tokens = await asyncio.gather(*(rotated(stores, TENANT, made.id) for _ in range(5)))
    assert sum(token is not None for token in tokens) == 1, "one key has several successors"


async def a_revoked_key_comes(stores: Stores) -> None:
    made = await key(stores, "read")
    await revoked(stores, made, TENANT)
    assert await authenticate(stores, made.token) is None, "a revoked key was let in"
    assert await rotated(stores, TENANT, made.id) is None, "a revoked key came back by its successor"


async def an_ended_key_comes(stores: Stores) -> None:
    made = await key(stores, "read")
    await execute(stores, "UPDATE api_keys SET expires_at = now()")
    assert await authenticate(stores, made.token) is None, "a key that has ended was let in"
