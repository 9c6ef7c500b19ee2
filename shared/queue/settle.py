"""Settle: write the ends of runs, hint retries, announce what became final. After the commit, never before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from shared.broker.announce import Final, final_of
from shared.broker.hints import Hint, hint_of
from shared.db.statements import lookup, moves, workflow_moves
from shared.db.statements import settle as statements
from shared.db.statements.settle import Settled, Settlement
from shared.domain.happenings import Happening, moved, name_of
from shared.domain.task import Task
from shared.metrics import TASKS_ENDED
from shared.queue.stores import Stores
from shared.queue.workflows import announce as announce_released

__all__ = ["Settled", "Settlement", "expire", "settle"]


async def settle(stores: Stores, settlements: Sequence[Settlement]) -> list[Settled | None]:
    """The tasks as they now stand, in order; None: the lease was lost, and nothing was written for it.

    Where a lease is lost the row is read, and announced if it is final: perhaps an earlier call wrote
    it, and its reply never came. Raises: StoreUnavailable; Unstorable, and then nothing was written.
    """
    if len({s.id for s in settlements}) < len(settlements):
        # One is the repeat of an end whose reply was lost, and its task has run here again since. They go one by
        # one: in one statement, the end of one run would be taken for that of the other.
        return [now for s in settlements for now in await settle(stores, [s])]
    async with stores.db.lane("settle") as lane:
        written = await statements.settle(lane, settlements)
        lost = [(s.tenant_id, s.id) for s in settlements if s.id not in written]
        found = await lookup.get_tasks(lane, lost) if lost else {}
        nodes = [t.id for t in written.values() if t.workflow_id is not None and t.status.is_final]
        released = await workflow_moves.released(lane, nodes) if nodes else []
    finals = [final for s in settlements if (final := _final(s, written.get(s.id), found))]
    stores.feed.tell(_happening(s, now) for s in settlements if (now := written.get(s.id)))
    stores.announce(finals)
    stores.hint([hint for t in written.values() if t.limits or t.status.is_waiting for hint in _hints(t)])
    announce_released(stores, released)
    return [written.get(s.id) for s in settlements]


def _hints(task: Settled) -> Iterator[Hint]:
    """Of the task itself, if it waits again; and of the others that waited for its place under a limit."""
    if task.status.is_waiting:
        yield hint_of(task.id, task.queue, task.priority, task.limits, round(task.delay * 1000))
    if task.limits:
        yield hint_of(task.id, task.queue, task.priority, task.limits)


def _final(settlement: Settlement, now: Settled | None, found: dict[UUID, Task]) -> Final | None:
    """What is to be told of the end of a task, if it has one."""
    if now is None:
        task = found.get(settlement.id)
        return final_of(task) if task is not None and task.status.is_final else None
    if not now.status.is_final:
        return None
    verdict = settlement.verdict
    return Final(now.id, now.generation, now.attempt, now.status, verdict.result, verdict.error, settlement.spoke)


def _happening(settlement: Settlement, now: Settled) -> Happening:
    return Happening(
        name_of(now.status, settlement.verdict.outcome),
        settlement.tenant_id,
        now.id,
        settlement.type,
        now.queue,
        now.status,
        now.attempt,
        now.generation,
        settlement.wait,
        now.duration,
    )


async def expire(stores: Stores, *, most: int = 500) -> int:
    """Fail every waiting task past its ``expires_at``, ``most`` in one statement; returns how many."""
    expired = 0
    while True:
        async with stores.db.autocommit() as session:
            late = await moves.expire(session, most=most)
        stores.feed.tell(map(moved, late))
        stores.announce([final_of(task) for task in late])
        for task in late:
            TASKS_ENDED.add(task.type, task.queue, task.status.value)
        expired += len(late)
        if len(late) < most:
            return expired
