"""Who owns a run: late settles, doubled hints, claims that meet."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.domain.verdict import completed
from shared.queue.liveness import rescue
from shared.queue.stores import Stores
from tests.support.scenes.making import (
    Claim,
    Scene,
    by_hint,
    die,
    ended,
    execute,
    row,
    running,
    submitted,
)
from tests.support.stores import registered
from tests.support.verbs import until_met, within


async def a_late_worker_settles(stores: Stores) -> None:
    late = await running(stores)
    await die(stores)
    await rescue(stores)
    [owner] = await by_hint(stores, await registered(stores), late.id)
    await ended(stores, late, completed('"stale"'))
    assert (await row(stores, late.id)).lease == owner.lease, "a late settle ended another's run"


async def a_settle_meets_the_next_owner(stores: Stores) -> None:
    """Rescue and claim are written, not committed, when the late settle comes."""
    late = await running(stores)
    await die(stores)
    other = await registered(stores)
    async with stores.db.transaction() as session:
        await rescue(within(stores, session))
        [owner] = await by_hint(within(stores, session), other, late.id)
        settling = asyncio.ensure_future(ended(stores, late, completed('"stale"')))
        await until_met(session, settling)
    await settling
    assert (await row(stores, late.id)).lease == owner.lease, "a late settle ended another's run"


def a_running_task_is_hinted_again(claim: Claim) -> Scene:
    async def scene(stores: Stores) -> None:
        run = await running(stores)
        assert await claim(stores, await registered(stores), run.id) == [], "a running task was claimed again"

    return scene


def two_claims_meet(claim: Claim) -> Scene:
    async def scene(stores: Stores) -> None:
        task, one, two = await submitted(stores), await registered(stores), await registered(stores)
        async with stores.db.transaction() as session:
            assert len(await claim(within(stores, session), one, task.id)) == 1
            other = asyncio.ensure_future(claim(stores, two, task.id))
            await until_met(session, other)
            has_waited = not other.done()
        assert await other == [], "two workers own one task"
        assert not has_waited, "a claim waited for a lock"

    return scene


def a_claim_is_refused(claim: Claim, wrong: str, statement: str, **given: Any) -> Scene:
    async def scene(stores: Stores) -> None:
        task, who = await submitted(stores, **given), await registered(stores)
        await execute(stores, statement)
        assert await claim(stores, who, task.id) == [], wrong

    return scene
