"""Limits: claims that meet, what counts, and whose turn it is."""

from __future__ import annotations

import asyncio

from shared.domain.ids import new_id
from shared.domain.limits import Limits
from shared.domain.rates import Rate
from shared.domain.task import NewTask
from shared.queue.claim import claim_next
from shared.queue.limits import LimitedClaims
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.support.scenes.making import Claim, Scene, execute, submitted
from tests.support.stores import registered
from tests.support.verbs import TENANT, until_met, within

NAME = "type:simple_calculation"
ONE = Limits({NAME: 1})
HOURLY = Limits(rates={NAME: Rate(1, 3_600.0)})


async def two_limited_claims_meet(stores: Stores) -> None:
    for _ in range(2):
        await submitted(stores, limits=NAME)
    one, two = await registered(stores), await registered(stores)
    async with stores.db.transaction() as session:
        assert len(await LimitedClaims(within(stores, session), one, ONE).claim(1)) == 1
        other = asyncio.ensure_future(LimitedClaims(stores, two, ONE).claim(1))
        await until_met(session, other)
        has_waited = not other.done()
    assert await other == [], "a limit was exceeded"
    assert not has_waited, "a claim waited for a lock"


def another_claim_comes(limits: Limits, wrong: str) -> Scene:
    """The first one's task runs."""

    async def scene(stores: Stores) -> None:
        for _ in range(2):
            await submitted(stores, limits=NAME)
        claims = LimitedClaims(stores, await registered(stores), limits)
        assert len(await claims.claim(1)) == 1
        assert await claims.claim(1) == [], wrong

    return scene


def a_claim_that_does_not_count(claim: Claim) -> Scene:
    async def scene(stores: Stores) -> None:
        task, who = await submitted(stores, limits=NAME), await registered(stores)
        assert await claim(stores, who, task.id) == [], "a claim that counts nothing took a task with a limit"

    return scene


async def a_tenant_has_a_backlog(stores: Stores) -> None:
    await execute(stores, "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING")
    for tenant, count in ((TENANT, 20), (2, 1)):
        tasks = [NewTask(new_id(), "simple_calculation", {}, "demo_tasks", 5, 60.0, 4) for _ in range(count)]
        await submit(stores, tenant, tasks)
    try:
        runs = await claim_next(stores, await registered(stores), 4)
        assert {run.tenant_id for run in runs} == {TENANT, 2}, "a tenant waits behind the backlog of another"
    finally:
        await execute(stores, "DELETE FROM tasks WHERE tenant_id = 2")
        await execute(stores, "DELETE FROM tenants WHERE id = 2")
