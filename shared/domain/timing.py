"""When a schedule ticks: pure arithmetic over a given moment. Owns the cron dialect and the rule for clock changes.

A cron expression has five fields and is read in its time zone. A job at fixed hours keeps its place in the day when
clocks change: a time that is skipped in spring ticks at the first minute after the gap, one that comes twice in
autumn ticks the first time only. A job whose minutes or hours begin with ``*`` follows real time through both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from typing import assert_never
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.domain.errors import InputRefused

FIELDS = 5
NAMES = "minute, hour, day of month, month, day of week"
SHORTEST_EVERY, LONGEST_EVERY = 1.0, 366 * 86_400.0
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
OF_ONE_MACHINE = ("localtime", "posix", "right/")
"""Files beside the zones that no other machine needs to have."""
NEVER = "This never fires: no day of the next 50 years matches."
LOOKS_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366))
"""How far back ``latest`` looks for a tick: the finest expression has 60, 1,440 … of them there."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields, read in ``zone``."""

    expression: str
    zone: str


@dataclass(frozen=True, slots=True)
class Every:
    """Each ``period`` after ``anchor``, the first one period after it."""

    period: timedelta
    anchor: datetime


Timing = Cron | Every


def next_after(timing: Timing, moment: datetime) -> datetime:
    """The first tick later than ``moment``, in UTC. Raises: InputRefused, where a cron has none."""
    return next(ticks_after(timing, moment))


def ticks_after(timing: Timing, moment: datetime) -> Iterator[datetime]:
    """Every tick later than ``moment``, in order, in UTC. Raises: InputRefused, where a cron has none."""
    match timing:
        case Cron():
            return _cron_ticks(timing, moment)
        case Every():
            return _every_ticks(timing, moment)
        case _:
            assert_never(timing)


def latest(timing: Timing, first: datetime, until: datetime) -> datetime:
    """The last tick from ``first`` (one itself) to ``until``."""
    if isinstance(timing, Every):
        return first + (until - first) // timing.period * timing.period
    for span in LOOKS_BACK:
        start = max(first, until - span)
        found = list(takewhile(lambda tick: tick <= until, ticks_after(timing, start)))
        if found:
            return found[-1]
        if start == first:
            break
    return first


def check_zone(name: str) -> None:
    """Raises: InputRefused, with a pointer to ``/timezone``."""
    _zone(name)


def check_cron(expression: str, zone: str, now: datetime) -> None:
    """Whether it will tick. Raises: InputRefused, with a pointer to ``/cron``."""
    next_after(Cron(expression, zone), now)


def _cron_ticks(timing: Cron, moment: datetime) -> Iterator[datetime]:
    found = _simulation(timing, moment)
    previous = moment
    for local in found:
        tick = local.astimezone(UTC)
        # Within the hour that comes twice the simulation starts from the first of the two.
        if tick > previous:
            previous = tick
            yield tick
    raise InputRefused([("/cron", NEVER)])


def _simulation(timing: Cron, moment: datetime) -> CronSim:
    expression = ALIASES.get(timing.expression.strip().lower(), timing.expression)
    if len(expression.split()) != FIELDS:
        raise InputRefused([("/cron", f"Give five fields: {NAMES}.")])
    local = moment.astimezone(_zone(timing.zone))
    try:
        return CronSim(expression, local)
    except CronSimError as error:
        detail = NEVER if _fits_some_month(expression, local) else f"{error}. The fields are {NAMES}."
        raise InputRefused([("/cron", detail)]) from None


def _fits_some_month(expression: str, moment: datetime) -> bool:
    """Whether only the month is in the way: 30 February is refused as a bad day, and is no slip of the pen."""
    minute, hour, day, month, weekday = expression.split()
    try:
        CronSim(f"0 0 1 {month} *", moment)
        CronSim(f"{minute} {hour} {day} * {weekday}", moment)
    except CronSimError:
        return False
    return True


def _every_ticks(timing: Every, moment: datetime) -> Iterator[datetime]:
    count = max(1, (moment - timing.anchor) // timing.period + 1)
    while True:
        yield timing.anchor + count * timing.period
        count += 1


@cache
def _zone(name: str) -> ZoneInfo:
    """Raises: InputRefused."""
    try:
        if name.startswith(OF_ONE_MACHINE):
            raise KeyError(name)
        return ZoneInfo(name)
    # Unknown is a KeyError; a path, a folder or a file that is no zone raises whatever reading it does.
    except (KeyError, ValueError, OSError):
        detail = f"There is no time zone {name!r}. Give an IANA name such as Europe/Berlin, or UTC."
        raise InputRefused([("/timezone", detail)]) from None
