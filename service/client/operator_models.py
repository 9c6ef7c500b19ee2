"""What the statistics of the service become: frozen, typed and tolerant, as in ``models``."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from service.client.models import Answer


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
