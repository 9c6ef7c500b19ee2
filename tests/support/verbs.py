"""The verbs twice: as calls on the real stores, and as the model's moves; and two of them at a time.

A verb's call returns how many tasks it says it changed; its move says what becomes of one task.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.session import Database
from shared.db.statements import liveness
from shared.domain.errors import Conflict
from shared.domain.outcomes import CancelHonoured, Crashed, Failed, Interrupted, Outcome, Succeeded, TimedOut
from shared.domain.retry import Exponential
from shared.domain.states import AttemptOutcome
from shared.domain.task import ClaimedTask, Task
from shared.domain.verdict import Attempted, Verdict, decide
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.liveness import release_unknown, rescue
from shared.queue.retry import retry
from shared.queue.settle import Settlement, expire, settle
from shared.queue.stores import Stores
from tests.support.model import ModelTask

T = TypeVar("T")
TENANT = 1
IS_AWAITED = text("""
    SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))
""")


ENDS: dict[str, Outcome] = {
    "success": Succeeded("null"),
    "error": Failed("ConnectionError", "it broke"),
    "deferral": Failed("Retry", "later", is_deferral=True, retry_after=timedelta(hours=1)),
    "fatal": Failed("Fatal", "never", is_fatal=True),
    "time-out": TimedOut(60.0),
    "cancel": CancelHonoured(),
    "stop": Interrupted(),
    "crash": Crashed("its process died"),
}


@dataclass(frozen=True, slots=True)
class Verb:
    """``skips``: it passes by the rows that another statement has locked; the others wait for them."""

    call: Callable[[Stores], Awaitable[int]]
    move: Callable[[UUID, ModelTask], ModelTask]
    skips: bool = False


def cancelling(task_id: UUID) -> Verb:
    return Verb(
        lambda stores: _said(cancel(stores, TENANT, task_id)), lambda i, t: t.cancelled() if i == task_id else t
    )


def retrying(task_id: UUID) -> Verb:
    return Verb(lambda stores: _said(retry(stores, TENANT, task_id)), lambda i, t: t.retried() if i == task_id else t)


def settling(run: ClaimedTask, verdict: Verdict) -> Verb:
    settlement = Settlement(TENANT, run.id, run.lease, verdict, None)
    return Verb(
        lambda stores: _written(stores, settlement),
        lambda i, t: t.settled(run.lease, verdict) if i == run.id else t,
    )


def claiming(who: Claimant, task_id: UUID, lease: UUID, claimed: list[ClaimedTask], *, may: bool) -> Verb:
    """``may``: the worker lives and the queue is not paused. What it got is added to ``claimed``."""

    async def claim(stores: Stores) -> int:
        got = await claim_hinted(stores, who, [task_id], lease=lease)
        claimed.extend(got)
        return len(got)

    return Verb(claim, lambda i, t: t.claimed(who.worker_id, lease) if may and i == task_id else t, skips=True)


def expiring() -> Verb:
    return Verb(expire, lambda _, task: task.expired(), skips=True)


def rescuing(lives: Callable[[UUID], bool]) -> Verb:
    def move(_: UUID, task: ModelTask) -> ModelTask:
        if task.worker is None or lives(task.worker):
            return task
        return task.taken_back(AttemptOutcome.LOST, loss=1, most_losses=liveness.MOST_LOSSES)

    return Verb(rescue, move, skips=True)


def auditing(worker_id: UUID, known: Collection[UUID]) -> Verb:
    def move(_: UUID, task: ModelTask) -> ModelTask:
        if task.worker != worker_id or task.lease in known:
            return task
        return task.taken_back(AttemptOutcome.RELEASED, loss=0, most_losses=liveness.MOST_LOSSES)

    return Verb(lambda stores: release_unknown(stores, worker_id, lambda _, lease: lease in known), move, skips=True)


def verdict_of(run: ClaimedTask, end: str) -> Verdict:
    """What the worker would decide. Each run has a result of its own."""
    outcome = Succeeded(json.dumps(str(run.lease))) if end == "success" else ENDS[end]
    return decide(Attempted(run.attempt, run.max_attempts, run.crashes), outcome, Exponential(), jitter=0, scale=0)


async def raced(stores: Stores, first: Verb, second: Verb) -> tuple[int, int]:
    """Call ``second`` while what ``first`` wrote is not committed yet; returns what each said."""
    async with stores.db.transaction() as session:
        said_first = await first.call(within(stores, session))
        running = asyncio.ensure_future(second.call(stores))
        await until_met(session, running)
    return said_first, await running


async def until_met(session: AsyncSession, other: asyncio.Future[T]) -> None:
    """Until ``other`` has ended, or waits for a lock that the open transaction of ``session`` holds."""
    async with asyncio.timeout(10):
        while not other.done() and not (await session.execute(IS_AWAITED)).scalar_one():
            await asyncio.wait({other}, timeout=0.002)


def within(stores: Stores, session: AsyncSession) -> Stores:
    """``stores`` whose every verb runs in the open transaction of ``session``."""
    held = copy.copy(stores)
    held.db = cast("Database", _OneTransaction(session))
    return held


class _OneTransaction:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncSession]:
        yield self._session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        yield self._session

    @asynccontextmanager
    async def lane(self, _: str) -> AsyncIterator[AsyncSession]:
        yield self._session


async def _written(stores: Stores, settlement: Settlement) -> int:
    return sum(written is not None for written in await settle(stores, [settlement]))


async def _said(call: Awaitable[Task | None]) -> int:
    try:
        return int(await call is not None)
    except Conflict:
        return 0
