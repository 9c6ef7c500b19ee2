"""Hints: "this task is due", as arq jobs whose id is the task's. Lost, doubled or stale ones cost only time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgpack

from shared.broker.connection import Broker
from shared.broker.keys import (
    HINT_LIMIT,
    JOB_PREFIX,
    JOB_TTL_EXTRA_MS,
    TASK_FUNCTION,
    is_id,
    queue_key,
    wake_key,
)

LUA_BATCH = 500
"""Hints in one script call: a longer one would hold Redis up for others."""
ADD_TIMEOUT = 0.1
PRIORITIES = range(10)
LIMITED = UUID(int=0)
"""Stands for every task of a queue that has limits: a hundred thousand that wait for one limit are one hint."""
LIMITED_HINT = str(LIMITED)


class Hint(NamedTuple):
    """A task that is due in ``delay_ms`` milliseconds: durations travel, never times."""

    task_id: UUID
    queue: str
    priority: int
    delay_ms: int = 0


def hint_of(task_id: UUID, queue: str, priority: int, limits: str, delay_ms: int = 0) -> Hint:
    """The hint of a task: its own, or the one for all that have limits."""
    return Hint(LIMITED if limits else task_id, queue, priority, delay_ms)


@dataclass(frozen=True, slots=True)
class Taken:
    """Popped ids in the order to run them, and the wait to the next deferred one, if any is known.

    The ids stay text, as Redis has them: to make a UUID of each, sort and pack them cost more than the claim does.
    """

    ids: list[str]
    next_due_ms: int | None


class HintQueue:
    """The scripts over one Redis, closed with its broker."""

    def __init__(self, broker: Broker) -> None:
        self._add = broker.script(broker.queue, "hints.lua")
        self._take = broker.script(broker.queue, "take.lua")

    async def add(self, hints: Sequence[Hint]) -> int:
        """Add ``hints``; returns how many were new. Raises what redis-py raises."""
        added = 0
        for start in range(0, len(hints), LUA_BATCH):
            keys, arguments = _call_of(hints[start : start + LUA_BATCH])
            added += cast("int", await self._add(keys=keys, args=arguments))
        return added

    async def take(self, queues: Sequence[str], most: int) -> Taken:
        """Pop up to ``most`` due hints: by queue as given, then priority, then time."""
        sets, wakes = _keys_of(tuple(queues))
        arguments: list[Any] = [min(most, LUA_BATCH), JOB_PREFIX, len(PRIORITIES), JOB_TTL_EXTRA_MS, *wakes]
        ids, next_due = cast("tuple[list[bytes], int]", await self._take(keys=sets, args=arguments))
        return Taken([raw.decode() for raw in ids if is_id(raw)], None if next_due < 0 else next_due)


async def offer_hints(broker: Broker, queue: HintQueue, hints: Sequence[Hint]) -> bool:
    """Add ``hints`` if Redis answers at once. False: they are dropped, and the poll will find the tasks."""
    batches = 1 + len(hints) // LUA_BATCH
    return await broker.guarded(queue.add(hints), timeout=ADD_TIMEOUT * batches) is not None


@lru_cache(maxsize=64)
def _keys_of(queues: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The sets in pick order, and the wake lists."""
    return [queue_key(queue, priority) for queue in queues for priority in PRIORITIES], [wake_key(q) for q in queues]


def _call_of(hints: Sequence[Hint]) -> tuple[list[str], list[Any]]:
    """Keys and arguments of the script that adds ``hints``: what many have in common stands there once."""
    sets: dict[tuple[str, int], int] = {}
    arguments: list[Any] = [HINT_LIMIT, JOB_TTL_EXTRA_MS, JOB_PREFIX, *_around_id()]
    for task_id, queue, priority, delay_ms in hints:
        arguments += (sets.setdefault((queue, priority), len(sets) + 1), str(task_id), delay_ms)
    return [key for queue, priority in sets for key in (queue_key(queue, priority), wake_key(queue))], arguments


def _around_id() -> tuple[bytes, bytes]:
    """An arq job before and behind its id: fields by arq's own names, in msgpack (arq's default would be pickle)."""
    enqueued_at = int(time.time() * 1000)
    job: bytes = msgpack.packb({"t": None, "f": TASK_FUNCTION, "a": [LIMITED_HINT], "k": {}, "et": enqueued_at})
    head, _, tail = job.partition(LIMITED_HINT.encode())
    return head, tail
