"""What is told after a commit: a task became final, or somebody wants one cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson

from shared.broker.connection import Broker, channel_of
from shared.broker.keys import (
    CANCELS_CHANNEL,
    FINALS_CHANNEL,
    PROGRESS_AFTER_END_SECONDS,
    progress_key,
    result_key,
)
from shared.domain.task import Task


async def announce_finals(broker: Broker, tasks: Sequence[Task], ttl: int) -> bool:
    """Publish ``tasks`` as final, with a copy of each result for ``ttl`` seconds."""
    pipe = broker.results.pipeline(transaction=False)
    for task in tasks:
        error = None if task.error is None else {"type": task.error.type, "message": task.error.message}
        copy = {"status": task.status, "result": task.result, "error": error, "generation": task.generation}
        pipe.set(result_key(task.id), orjson.dumps(copy), ex=ttl)
        pipe.expire(progress_key(task.id, task.generation, task.attempt), PROGRESS_AFTER_END_SECONDS)
        pipe.publish(channel_of(broker.results, FINALS_CHANNEL), str(task.id))
    return await broker.guarded(pipe.execute()) is not None


async def announce_cancel(broker: Broker, task_id: UUID) -> bool:
    """Tell the worker that runs ``task_id``; it also finds the request in the row within a second."""
    channel = channel_of(broker.results, CANCELS_CHANNEL)
    return await broker.guarded(broker.results.publish(channel, str(task_id))) is not None
