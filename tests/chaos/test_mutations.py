"""Every guard of the protocol is needed: take one away, and a scene that ended well ends badly."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from shared.queue.stores import Stores
from shared.settings import Settings
from tests.support.guards import GUARDS, Guard
from tests.support.mutations import alter, without
from tests.support.servers import Servers
from tests.support.stores import empty


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
async def test_without_its_guard_the_scene_ends_badly(
    guard: Guard, stores: Stores, settings: Settings, servers: Servers
) -> None:
    await played(guard, stores)
    await empty(stores)
    with ExitStack() as lent:
        where = settings
        if guard.mutation.schema:
            url = lent.enter_context(servers.lend_database())
            where = settings.model_copy(update={"database_url": SecretStr(url)})
        async with Stores(where, pool_size=5, overflow=0, application="mutated") as mutated:
            await alter(mutated, guard.mutation)
            with without(guard.mutation), pytest.raises(AssertionError, match=guard.wrong):
                await played(guard, mutated)


async def played(guard: Guard, stores: Stores) -> None:
    async with asyncio.timeout(20):
        await guard.scene(stores)
