"""Something happens at each await of each verb in turn. After the usual recovery the task has ended, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import AsyncAdaptedQueuePool

from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.states import Status
from shared.queue.claim import claim_next
from shared.queue.limits import LimitedClaims
from shared.queue.liveness import rescue
from shared.queue.settle import expire
from shared.queue.stores import Stores
from tests.support.failpoints import Died, Failpoints, Harm, harmed
from tests.support.model import FREE, Seen, observe, violations
from tests.support.mutations import Sql, without
from tests.support.scenes.making import die, ended, execute
from tests.support.stores import registered
from tests.support.stories import (
    DONE,
    ONE_AT_ONCE,
    Story,
    auditing,
    cancelling,
    claiming,
    claiming_under_a_limit,
    expiring,
    nothing,
    one_failed,
    one_is_late,
    one_is_orphaned,
    one_runs,
    one_runs_and_would_be_retried,
    one_runs_unknown,
    one_waits,
    one_waits_for_a_limit,
    polling,
    rescuing,
    retrying,
    settling,
    submitting,
    submitting_once,
    submitting_unique,
)


@dataclass(frozen=True)
class Act:
    """``runs``: what the attempts may say in the end. ``by_worker``: the process that dies is the worker's."""

    begin: Callable[[Story], Awaitable[None]]
    verb: Callable[[Story, Stores], Awaitable[None]]
    runs: tuple[str, ...]
    status: Status = Status.COMPLETED
    by_worker: bool = False
    is_repeated: bool = True
    awaits: int = 2


ACTS = {
    "submit": Act(nothing, submitting, ("completed",), is_repeated=False),
    "submit with a key": Act(nothing, submitting_once, ("completed",), awaits=6),
    "submit with a unique key": Act(nothing, submitting_unique, ("completed",), awaits=3),
    "claim by hint": Act(
        one_waits,
        claiming,
        ("completed", "lost completed", "released completed"),
        by_worker=True,
        is_repeated=False,
    ),
    "poll": Act(
        one_waits,
        polling,
        ("completed", "lost completed", "released completed"),
        by_worker=True,
        is_repeated=False,
    ),
    "claim under a limit": Act(
        one_waits_for_a_limit,
        claiming_under_a_limit,
        ("completed", "lost completed", "released completed"),
        by_worker=True,
        is_repeated=False,
        awaits=7,
    ),
    "settle an end": Act(
        one_runs,
        settling,
        ("completed", "lost completed", "released completed"),
        by_worker=True,
        awaits=2,
    ),
    "settle a retry": Act(
        one_runs_and_would_be_retried,
        settling,
        ("retried completed", "lost completed", "released completed"),
        by_worker=True,
    ),
    "rescue": Act(one_is_orphaned, rescuing, ("lost completed",)),
    "audit": Act(one_runs_unknown, auditing, ("released completed",), awaits=3),
    "expire": Act(one_is_late, expiring, ("",), Status.FAILED, awaits=2),
    "cancel what waits": Act(one_waits, cancelling, ("",), Status.CANCELLED, awaits=2),
    "cancel what runs": Act(one_runs_and_would_be_retried, cancelling, ("retried",), Status.CANCELLED, awaits=3),
    "retry": Act(one_failed, retrying, ("failed completed",)),
}


@pytest.mark.parametrize("harm", Harm, ids=lambda harm: harm.name.lower())
@pytest.mark.parametrize("name", ACTS)
async def test_whatever_happens_at_an_await_the_task_ends_once(stores: Stores, name: str, harm: Harm) -> None:
    struck = 0
    while await _told(ACTS[name], Failpoints(harm, struck), stores, harm):
        struck += 1
    assert struck >= ACTS[name].awaits


@pytest.mark.parametrize(
    ("name", "guard"),
    [
        ("claim by hint", Sql("shared.db.statements.liveness:RELEASE", "AND t.lease = u.lease", "AND false")),
        ("cancel what runs", Sql("shared.db.statements.settle:SETTLE", "t.cancel_requested THEN", "false THEN")),
    ],
)
async def test_without_a_guard_it_does_not(stores: Stores, name: str, guard: Sql) -> None:
    with without(guard), pytest.raises(AssertionError):
        await test_whatever_happens_at_an_await_the_task_ends_once(stores, name, Harm.REPLY_LOST)


async def _told(act: Act, points: Failpoints, stores: Stores, harm: Harm) -> bool:
    """The story, with ``harm`` at one await. False: there is no such await any more."""
    for emptying in ("DELETE FROM tasks", "DELETE FROM workers", "DELETE FROM idempotency_keys"):
        await execute(stores, emptying)
    story = Story(stores, await registered(stores))
    await act.begin(story)
    before = await observe(stores)
    said = await _ended_as(act.verb(story, harmed(stores, points)))
    pool = stores.db.engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert pool.checkedout() <= len(stores.db.lanes) + 1, "a connection was not given back"
    between = await _seen_lawful(stores, before)
    _is_honest(harm, points, said)
    await _recovered(act, said, story)
    after = await _seen_lawful(stores, between)
    assert story.accepted <= set(after), "an accepted task was lost"
    assert len(after) == 1 or (said is not None and not act.is_repeated and not after), points.passed
    for row in after.values():
        outcomes = " ".join(run.outcome for run in row.runs)
        assert (row.status, outcomes in act.runs) == (act.status, True), (points.passed, row)
        paid = [run for run in row.runs if run.generation == row.generation and run.outcome not in FREE]
        assert row.attempt == len(paid), "the wrong runs were counted"
    return points.has_struck


async def _ended_as(call: Awaitable[None]) -> BaseException | None:
    """Without the caller's own end: it may be the one that is cancelled."""
    [said] = await asyncio.gather(asyncio.ensure_future(call), return_exceptions=True)
    return said


def _is_honest(harm: Harm, points: Failpoints, said: BaseException | None) -> None:
    """Nothing but the harm itself reaches the caller, and a death or a cancel always does."""
    if not points.has_struck:
        assert said is None, said
        return
    match harm:
        case Harm.DIES_BEFORE | Harm.DIES_AFTER:
            assert isinstance(said, Died)
        case Harm.CANCELLED:
            assert isinstance(said, asyncio.CancelledError)
        case Harm.AWAY | Harm.REPLY_LOST:
            assert said is None or isinstance(said, StoreUnavailable)


async def _recovered(act: Act, said: BaseException | None, story: Story) -> None:
    """What the system does by itself, and what its caller does who got no answer."""
    stores = story.stores
    if act.by_worker and isinstance(said, Died):
        story.forgets()
        await die(stores)
    elif act.by_worker and isinstance(said, asyncio.CancelledError):
        story.forgets()
    if act.is_repeated and said is not None:
        with suppress(Conflict):
            await act.verb(story, stores)
    await auditing(story, stores)
    await rescue(stores)
    await expire(stores)
    await settling(story, stores)
    who = await registered(stores)
    limited = await LimitedClaims(stores, who, ONE_AT_ONCE).claim(10)
    for run in [*limited, *await claim_next(stores, who, 10)]:
        await ended(stores, run, DONE)


async def _seen_lawful(stores: Stores, before: dict[UUID, Seen]) -> dict[UUID, Seen]:
    after = await observe(stores)
    for task_id, row in after.items():
        assert violations(before.get(task_id), row) == []
    return after


async def test_a_cancel_that_meets_an_answer_of_redis_ends_its_caller(stores: Stores) -> None:
    async def ask_for_ever() -> None:
        while True:
            await stores.broker.guarded(stores.broker.queue.ping(), timeout=5.0)

    for turns in range(60):
        asking = asyncio.create_task(ask_for_ever())
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        done, _ = await asyncio.wait({asking}, timeout=2.0)
        asking.cancel()
        assert done, f"a cancel after {turns} turns of the loop was dropped"
