"""Which ticks are due: on time, missed, and caught up with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.schedule import BUILT_IN, MOST_MISSED, PUNCTUAL, CatchUp, agenda
from shared.domain.timing import Cron, Every, next_after

ANCHOR = datetime(2026, 3, 1, tzinfo=UTC)
SECONDLY = Every(timedelta(seconds=1), ANCHOR)
MINUTELY = Cron("* * * * *", "UTC")


def at(seconds: float) -> datetime:
    return ANCHOR + timedelta(seconds=seconds)


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_tick_that_is_a_little_late_is_made_whatever_catch_up_says(catch_up: CatchUp) -> None:
    found = agenda(SECONDLY, at(1), at(3.5), catch_up)
    assert (found.ticks, found.next_run) == ([at(1), at(2), at(3)], at(4))


def test_a_tick_of_this_instant_is_due() -> None:
    assert agenda(SECONDLY, at(1), at(1), CatchUp.SKIP).ticks == [at(1)]


def test_before_its_time_nothing_is_due() -> None:
    found = agenda(SECONDLY, at(5), at(4.9), CatchUp.ALL)
    assert (found.ticks, found.next_run) == ([], at(5))


def test_skip_drops_what_was_missed() -> None:
    assert agenda(MINUTELY, at(60), at(600), CatchUp.SKIP).ticks == [at(600)]
    assert agenda(MINUTELY, at(60), at(630), CatchUp.SKIP).ticks == []


def test_one_makes_the_last_of_the_missed() -> None:
    assert agenda(MINUTELY, at(60), at(630), CatchUp.ONE).ticks == [at(600)]
    assert agenda(MINUTELY, at(60), at(605), CatchUp.ONE).ticks == [at(540), at(600)]


def test_all_makes_each_oldest_first_up_to_its_bound() -> None:
    assert agenda(MINUTELY, at(60), at(200), CatchUp.ALL).ticks == [at(60), at(120), at(180)]
    long_ago = agenda(SECONDLY, at(1), at(86_400), CatchUp.ALL)
    assert long_ago.ticks[:MOST_MISSED] == [at(n) for n in range(1, MOST_MISSED + 1)]
    assert long_ago.ticks[MOST_MISSED:] == [at(86_400 - n) for n in reversed(range(10))]
    assert long_ago.next_run == at(86_401)


@given(st.sampled_from(CatchUp), st.sampled_from([SECONDLY, MINUTELY]), st.floats(0, 50_000), st.floats(0, 20_000))
def test_ticks_of_any_agenda(catch_up: CatchUp, timing: Every | Cron, start: float, outage: float) -> None:
    first = next_after(timing, at(start))
    now = first + timedelta(seconds=outage)
    found = agenda(timing, first, now, catch_up)
    assert found.ticks == sorted(set(found.ticks))
    assert all(first <= tick <= now for tick in found.ticks)
    assert all(next_after(timing, tick - timedelta(microseconds=1)) == tick for tick in found.ticks)
    assert found.next_run == next_after(timing, now)
    missed = [tick for tick in found.ticks if tick <= now - PUNCTUAL]
    assert len(missed) <= {CatchUp.SKIP: 0, CatchUp.ONE: 1, CatchUp.ALL: MOST_MISSED}[catch_up]
    late = max(first, now - PUNCTUAL + timedelta(microseconds=1))
    on_time, tick = [], next_after(timing, late - timedelta(microseconds=1))
    while tick <= now:
        on_time.append(tick)
        tick = next_after(timing, tick)
    assert [tick for tick in found.ticks if tick > now - PUNCTUAL] == on_time


def test_what_is_built_in_has_a_timing_that_ticks() -> None:
    assert [next_after(Cron(one.cron, "UTC"), at(0)) for one in BUILT_IN] == [at(2 * 3600), at(3600)]
