"""What queues and the statistics of the service become: frozen, typed and tolerant, as in ``models``."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from service.client.models import Answer


class Queue(Answer):
    """One queue. ``is_lower_bound``: ``waiting`` and ``delayed`` are at least so many."""

    name: str
    waiting: int = 0
    delayed: int = 0
    running: int = 0
    paused: bool = False
    oldest_age: float | None = None
    throughput: float | None = None
    is_lower_bound: bool = False


class Purge(Answer):
    """What a purge found and cancelled; in a dry run, what it would. ``has_more``: it counted no further."""

    queue: str
    dry_run: bool = False
    matched: int = 0
    cancelled: int = 0
    has_more: bool = False


class Counts(Answer):
    """Tasks created in a window. ``rate``: submitted a second; ``success_share``: of those that completed or failed."""

    submitted: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    rate: float = 0.0
    success_share: float | None = None


class Percentiles(Answer):
    """Seconds; None without samples."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class TypeStats(Counts):
    """Of one type in one queue."""

    type: str
    queue: str
    wait: Percentiles = Percentiles()
    run: Percentiles = Percentiles()


class Stats(Answer):
    """Statistics of a window of ``window`` seconds."""

    window: float
    since: datetime | None = None
    until: datetime | None = None
    total: Counts = Counts()
    data: list[TypeStats] = Field(default_factory=list)


class Minute(Answer):
    """How many tasks ended in the minute that began at ``since``. ``rate``: a second."""

    since: datetime
    ended: int
    rate: float = 0.0
