"""What is told after a commit: tasks became final, or somebody wants one cancelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from shared.broker.connection import Broker, channel_of
from shared.broker.keys import (
    CANCELS_CHANNEL,
    FINALS_CHANNEL,
    PROGRESS_AFTER_END_SECONDS,
    output_key,
    progress_key,
    result_key,
)
from shared.domain.cancels import CancelRequest
from shared.domain.states import Status
from shared.domain.task import Task
from shared.domain.verdict import TaskError

CALL_BYTES = 1_048_576
"""Results in one script call: a larger one would hold Redis up for others."""
CALL_TASKS = 500


class Final(NamedTuple):
    """The end of a task; ``result`` is JSON. ``left_progress``: its run may have left some in Redis."""

    task_id: UUID
    generation: int
    attempt: int
    status: Status
    result: str | None
    error: TaskError | None
    left_progress: bool = True

    def copy(self) -> bytes:
        """What is kept in Redis for a while."""
        error = None if self.error is None else {"type": self.error.type, "message": self.error.message}
        result = None if self.result is None else orjson.Fragment(self.result)
        return orjson.dumps({"status": self.status, "result": result, "error": error, "generation": self.generation})


def final_of(task: Task) -> Final:
    result = None if task.result is None else orjson.dumps(task.result).decode()
    return Final(task.id, task.generation, task.attempt, task.status, result, task.error)


async def announce_finals(broker: Broker, finals: Sequence[Final], ttl: int) -> bool:
    """Publish ``finals`` with a copy of each for ``ttl`` seconds: one script call for many. False: Redis is away."""
    channel = channel_of(broker.results, FINALS_CHANNEL)
    for part in _parts(finals):
        keys = [result_key(final.task_id) for final, _ in part]
        keys += [progress_key(f.task_id, f.generation, f.attempt) for f, _ in part if f.left_progress]
        ids = " ".join([str(final.task_id) for final, _ in part])
        copies = [copy for _, copy in part]
        call = broker.finals(keys=keys, args=[channel, ids, ttl, PROGRESS_AFTER_END_SECONDS, *copies])
        if await broker.guarded(call) is None:
            return False
    return True


def _parts(finals: Sequence[Final]) -> Iterator[list[tuple[Final, bytes]]]:
    part: list[tuple[Final, bytes]] = []
    size = 0
    for final in finals:
        copy = final.copy()
        if part and (size + len(copy) > CALL_BYTES or len(part) >= CALL_TASKS):
            yield part
            part, size = [], 0
        part.append((final, copy))
        size += len(copy)
    yield part


async def announce_cancels(broker: Broker, requests: Sequence[CancelRequest]) -> bool:
    """Tell the workers that run these tasks; they also find the requests in the rows within a second."""
    channel = channel_of(broker.results, CANCELS_CHANNEL)
    told = " ".join(map(str, requests))
    return await broker.guarded(broker.results.publish(channel, told)) is not None


async def forget(broker: Broker, gone: Sequence[tuple[UUID, datetime | None]]) -> bool:
    """Remove what is kept of tasks that are no more, each with the start of its last run. False: Redis is away.

    What earlier runs said, and all of it while Redis is away, goes by its time to live.
    """
    keys = [result_key(task_id) for task_id, _ in gone]
    keys += [output_key(task_id, started_at) for task_id, started_at in gone if started_at is not None]
    return await broker.guarded(broker.results.unlink(*keys)) is not None
