"""Live progress and streamed output of running tasks, in the result database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import orjson

from shared.broker.connection import Broker
from shared.broker.keys import OUTPUT_MAX_ENTRIES, PROGRESS_TTL_SECONDS, output_key, progress_key
from shared.domain.task import Progress, Task

READ_TIMEOUT = 0.05


async def write_live(
    broker: Broker, progress: Mapping[str, Progress], output: Mapping[UUID, Sequence[str]], ttl: int
) -> bool:
    """Write progress (by ``progress_key``) and append output pieces, in one round trip.

    False: Redis is away, and nothing is kept.
    """
    pipe = broker.results.pipeline(transaction=False)
    for key, value in progress.items():
        pipe.set(key, orjson.dumps(asdict(value)), ex=PROGRESS_TTL_SECONDS)
    for task_id, pieces in output.items():
        key = output_key(task_id)
        pipe.xadd(key, {"delta": "".join(pieces)}, maxlen=OUTPUT_MAX_ENTRIES, approximate=True)
        pipe.expire(key, ttl)
    return await broker.guarded(pipe.execute()) is not None


async def read_progress(broker: Broker, task: Task) -> Progress | None:
    """The live progress of a running task; None when there is none or Redis does not answer at once."""
    raw = await broker.guarded(
        broker.results.get(progress_key(task.id, task.generation, task.attempt)), timeout=READ_TIMEOUT
    )
    if raw is None:
        return None
    stored = orjson.loads(raw)
    return Progress(stored["percent"], stored["message"], datetime.fromisoformat(stored["updated_at"]))
