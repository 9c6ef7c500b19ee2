"""Hints, replies and announcements that never come, and requests that come twice."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch
from uuid import UUID, uuid4

import shared.queue.settle
import worker.engine.pump
import worker.executions
import worker.vitals
from shared.broker.keys import result_key
from shared.broker.wake import Waker
from shared.db.statements import liveness as statements
from shared.db.statements.settle import settle as write_settlement
from shared.domain.cancels import CancelRequest
from shared.domain.errors import KeyInFlight
from shared.domain.ids import new_id
from shared.domain.states import Status
from shared.domain.task import ClaimedTask, NewTask
from shared.domain.verdict import completed, released
from shared.queue.idempotency import Answer, once
from shared.queue.liveness import rescue
from shared.queue.settle import Settlement
from shared.queue.stores import Stores
from shared.queue.submit import store
from tests.support.model import observe
from tests.support.scenes.making import (
    by_hint,
    die,
    ended,
    row,
    running,
)
from tests.support.stores import registered
from tests.support.verbs import TENANT
from worker.engine.slots import Slots

TOLD_SECONDS = 10.0


async def a_reply_to_a_claim_is_lost(stores: Stores) -> None:
    who = await registered(stores)
    run = await running(stores, who)
    nobody = SimpleNamespace(leases=set, knows=lambda *_: False)
    here = SimpleNamespace(stores=stores, info=SimpleNamespace(id=who.worker_id), executions=nobody)
    with patch.object(worker.vitals, "AUDIT_SECONDS", 0.02):
        auditing = asyncio.ensure_future(worker.vitals.audit(cast("Any", here)))
        is_back = await _eventually(stores, run.id, Status.RETRYING)
        auditing.cancel()
        await asyncio.gather(auditing, return_exceptions=True)
    assert is_back, "a run that nobody knows stays PROCESSING"


async def _eventually(stores: Stores, task_id: UUID, status: Status, seconds: float = 1.0) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while (await row(stores, task_id)).status is not status:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


async def an_audit_comes_late(stores: Stores) -> None:
    """It read the rows; by the time it gives the run back, the task has another owner."""
    lost = await running(stores)
    await die(stores)
    await rescue(stores)
    [owner] = await by_hint(stores, await registered(stores), lost.id)
    async with stores.db.autocommit() as session:
        await statements.release(session, [(lost.id, lost.lease)])
    assert (await row(stores, lost.id)).lease == owner.lease, "an audit took another's run"


async def a_hint_is_lost(stores: Stores) -> None:
    task = NewTask(new_id(), "simple_calculation", {}, "demo_tasks", 5, 60.0, 4)
    async with stores.db.autocommit() as session:
        await store(session, TENANT, [task])
    who = await registered(stores)
    waker = Waker(stores.broker, stores.settings.redis_url.get_secret_value(), who.queues)
    started = asyncio.Event()
    pump = worker.engine.pump.Pump(stores, who, Slots(5), waker, _Starts(started))
    pumping = asyncio.ensure_future(pump.run())
    try:
        async with asyncio.timeout(1):
            await started.wait()
    except TimeoutError:
        raise AssertionError("a task without a hint is never run") from None
    finally:
        pump.stop()
        await pumping
        await waker.close()


class _Starts:
    def __init__(self, started: asyncio.Event) -> None:
        self._started = started

    def claiming(self) -> AbstractContextManager[UUID]:
        return nullcontext(uuid4())

    def start(self, _: ClaimedTask) -> None:
        self._started.set()


async def a_settle_is_repeated(stores: Stores) -> None:
    """It was written, and whoever wrote it died before telling anybody."""
    run = await running(stores)
    settlement = Settlement(TENANT, run.id, run.lease, completed("1"), None)
    async with stores.db.autocommit() as session:
        await write_settlement(session, [settlement])
    await shared.queue.settle.settle(stores, [settlement])
    assert await stores.flush(TOLD_SECONDS), "Redis is away"
    assert await stores.broker.results.exists(result_key(run.id)), "an end was never told"


async def two_runs_of_a_task_end_at_once(stores: Stores) -> None:
    """The reply to the first end was lost: it is repeated beside that of the next run, which was here again."""
    who = await registered(stores)
    first = await running(stores, who)
    await ended(stores, first, released())
    [second] = await by_hint(stores, who, first.id)
    ends = [(first, released()), (second, completed("2"))]
    told = await shared.queue.settle.settle(
        stores, [Settlement(TENANT, run.id, run.lease, verdict, None) for run, verdict in ends]
    )
    assert told[0] is None, "the end of one run was taken for another's"


async def a_cancel_comes_late(stores: Stores) -> None:
    """What it meant has ended, and a person began the task anew."""
    run = await running(stores)
    cancelled: list[UUID] = []
    executions = worker.executions.Executions(cast("Any", None), Slots(1))
    anew = SimpleNamespace(task=run._replace(generation=2), cancel=lambda: cancelled.append(run.id))
    executions._running[run.id] = cast("Any", anew)
    executions.cancel(CancelRequest(run.id, run.generation))
    assert not cancelled, "a late cancel ended the next generation"


async def a_key_comes_twice_at_once(stores: Stores) -> None:
    is_created, may_end = asyncio.Event(), asyncio.Event()

    async def create(session: Any) -> Answer:
        await store(session, TENANT, [NewTask(new_id(), "simple_calculation", {}, "demo_tasks", 5, 60.0, 4)])
        is_created.set()
        await may_end.wait()
        return Answer(201, {}, b"made")

    one = asyncio.ensure_future(once(stores, TENANT, "key", b"digest", create))
    await is_created.wait()
    is_created.clear()
    two = asyncio.ensure_future(once(stores, TENANT, "key", b"digest", create))
    let_in = asyncio.ensure_future(is_created.wait())
    await asyncio.wait({two, let_in}, return_when=asyncio.FIRST_COMPLETED)
    let_in.cancel()
    may_end.set()
    _, said = await asyncio.gather(one, two, return_exceptions=True)
    assert len(await observe(stores)) == 1, "two tasks for one key"
    assert isinstance(said, KeyInFlight), "a second request with a key was let in"


async def a_key_comes_again(stores: Stores) -> None:
    async def create(session: Any) -> Answer:
        await store(session, TENANT, [NewTask(new_id(), "simple_calculation", {}, "demo_tasks", 5, 60.0, 4)])
        return Answer(201, {}, b"made")

    first = await once(stores, TENANT, "key", b"digest", create)
    [again] = await asyncio.gather(once(stores, TENANT, "key", b"digest", create), return_exceptions=True)
    assert len(await observe(stores)) == 1, "two tasks for one key"
    assert isinstance(again, Answer), "a repeat was refused"
    assert again.body == first.body
