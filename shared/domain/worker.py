"""A worker as the rest of the house sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker incarnation as its row tells. ``heartbeat_age`` is seconds.

    ``missing`` says, by task type, why it cannot serve a type it knows; ``pool_*`` are its database connections.
    """

    id: UUID
    hostname: str
    pid: int
    state: str
    queues: list[str]
    concurrency: int
    types: list[str]
    missing: dict[str, str]
    pool_size: int
    pool_overflow: int
    version: str
    started_at: datetime
    heartbeat_age: float
