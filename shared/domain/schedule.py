"""What a schedule is, and which of its ticks are due: pure, over PostgreSQL's clock.

A tick counts as missed once it is ``PUNCTUAL`` late: until then it is made, whatever ``catch_up`` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain, islice, takewhile
from typing import Any, assert_never
from uuid import UUID

from shared.domain.timing import Cron, Every, Timing, latest, next_after, ticks_after

PUNCTUAL = timedelta(seconds=10)
MOST_MISSED = 1_000
"""What ``catch_up: all`` makes at most after one outage, the oldest first; later missed ticks are dropped."""


class CatchUp(StrEnum):
    """What becomes of the ticks that nobody was there to make."""

    SKIP = "skip"
    """Nothing."""
    ONE = "one"
    """One task, for the last of them."""
    ALL = "all"
    """A task each, up to MOST_MISSED."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One row of ``schedules``. ``every`` is seconds; either it or ``cron`` is set."""

    id: UUID
    tenant_id: int
    name: str
    cron: str | None
    every: float | None
    timezone: str
    type: str
    input: dict[str, Any]
    queue: str | None
    enabled: bool
    catch_up: CatchUp
    is_builtin: bool
    version: int
    created_at: datetime
    updated_at: datetime
    next_run: datetime | None
    last_run: datetime | None

    @property
    def timing(self) -> Timing:
        return timing_of(self.cron, self.every, self.timezone, self.created_at)


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """Maintenance that follows a clock. A loop of every worker does it; it can be paused, not removed."""

    id: UUID
    name: str
    cron: str


CLEANUP = BuiltIn(UUID("00000000-0000-7000-8000-000000000001"), "cleanup_old_tasks", "0 2 * * *")
HOURLY_STATS = BuiltIn(UUID("00000000-0000-7000-8000-000000000002"), "generate_hourly_stats", "0 * * * *")
BUILT_IN = (CLEANUP, HOURLY_STATS)


def timing_of(cron: str | None, every: float | None, timezone: str, anchor: datetime) -> Timing:
    if cron is not None:
        return Cron(cron, timezone)
    assert every is not None  # noqa: S101 # nosec B101 # a CHECK of the table
    return Every(timedelta(seconds=every), anchor)


@dataclass(frozen=True, slots=True)
class Agenda:
    """The ticks to make now, oldest first, and when to look again."""

    ticks: list[datetime]
    next_run: datetime


def agenda(timing: Timing, first: datetime, now: datetime, catch_up: CatchUp) -> Agenda:
    """What is to be done at ``now``, where ``first`` is the oldest tick not made yet.

    Raises: InputRefused, where the timing has no next tick.
    """
    line = now - PUNCTUAL
    ticks = _missed(timing, first, line, catch_up) if first <= line else []
    coming = chain([first], ticks_after(timing, first)) if first > line else ticks_after(timing, line)
    ticks += takewhile(lambda tick: tick <= now, coming)
    return Agenda(ticks, first if first > now else next_after(timing, now))


def _missed(timing: Timing, first: datetime, line: datetime, catch_up: CatchUp) -> list[datetime]:
    match catch_up:
        case CatchUp.SKIP:
            return []
        case CatchUp.ONE:
            return [latest(timing, first, line)]
        case CatchUp.ALL:
            late = takewhile(lambda tick: tick <= line, chain([first], ticks_after(timing, first)))
            return list(islice(late, MOST_MISSED))
        case _:
            assert_never(catch_up)
