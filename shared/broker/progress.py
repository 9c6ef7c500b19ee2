"""Live progress of running tasks, in the result database. ``output`` writes it."""

from __future__ import annotations

from datetime import datetime

import orjson

from shared.broker.connection import Broker
from shared.broker.keys import progress_key
from shared.domain.task import Progress, Task

READ_TIMEOUT = 0.05


async def read_progress(broker: Broker, task: Task) -> Progress | None:
    """The live progress of a running task; None when there is none or Redis does not answer at once."""
    raw = await broker.guarded(
        broker.results.get(progress_key(task.id, task.generation, task.attempt)), timeout=READ_TIMEOUT
    )
    if raw is None:
        return None
    stored = orjson.loads(raw)
    return Progress(stored["percent"], stored["message"], datetime.fromisoformat(stored["updated_at"]))
