"""When schedules tick: the dialect, the two changes of the clock, and what holds for any timing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InputRefused
from shared.domain.timing import NEVER, Cron, Every, Timing, check_cron, check_zone, latest, next_after, ticks_after

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(timing: Timing, after: str, count: int) -> list[datetime]:
    return list(islice(ticks_after(timing, utc(after)), count))


def test_a_cron_is_read_in_its_time_zone() -> None:
    assert next_after(Cron("0 2 * * *", "Asia/Tokyo"), NOW) == utc("2026-03-01T17:00")
    assert next_after(Cron("0 2 * * *", "UTC"), NOW) == utc("2026-03-02T02:00")


def test_the_dialect() -> None:
    assert next_after(Cron("*/15 9-17 * * MON-FRI", "UTC"), NOW) == utc("2026-03-02T09:00")
    assert next_after(Cron("0 0 L * *", "UTC"), NOW) == utc("2026-03-31T00:00")
    assert next_after(Cron("0 9 * * 1#2", "UTC"), NOW) == utc("2026-03-09T09:00")
    assert next_after(Cron("@daily", "UTC"), NOW) == utc("2026-03-02T00:00")
    assert next_after(Cron("@hourly", "UTC"), NOW) == utc("2026-03-01T13:00")


def test_a_time_that_spring_skips_ticks_right_after_the_gap() -> None:
    expected = [utc("2026-03-28T01:30"), utc("2026-03-29T01:00"), utc("2026-03-30T00:30")]
    assert ticks(Cron("30 2 * * *", BERLIN), "2026-03-28T00:00", 3) == expected
    assert latest(Cron("30 2 * * *", BERLIN), expected[0], utc("2026-03-29T12:00")) == expected[1]


def test_a_time_that_autumn_repeats_ticks_the_first_time_only() -> None:
    expected = [utc("2026-10-24T00:30"), utc("2026-10-25T00:30"), utc("2026-10-26T01:30")]
    assert ticks(Cron("30 2 * * *", BERLIN), "2026-10-24T00:00", 3) == expected
    assert next_after(Cron("45 2 * * *", BERLIN), utc("2026-10-25T01:10")) == utc("2026-10-26T01:45")


def test_a_job_of_every_hour_follows_real_time_through_both_changes() -> None:
    for day in ("2026-03-28T20:00", "2026-10-24T20:00"):
        found = ticks(Cron("0 * * * *", BERLIN), day, 12)
        assert {later - sooner for sooner, later in pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 LW * */6"])
def test_a_cron_that_never_fires_is_refused_as_such(expression: str) -> None:
    with pytest.raises(InputRefused) as refused:
        check_cron(expression, "UTC", NOW)
    assert refused.value.problems == [("/cron", NEVER)]


def test_a_cron_that_fires_once_in_decades_is_taken() -> None:
    check_cron("0 0 * 2 MON#5", "UTC", NOW)
    assert next_after(Cron("0 0 29 2 *", "UTC"), NOW) == utc("2028-02-29T00:00")


@pytest.mark.parametrize("expression", ["", "* * *", "* * * * * *", "61 * * * *", "a b c d e", "0 0 32 * *", "@often"])
def test_what_is_no_cron_is_refused_with_the_fields_named(expression: str) -> None:
    with pytest.raises(InputRefused) as refused:
        check_cron(expression, "UTC", NOW)
    [(pointer, detail)] = refused.value.problems
    assert pointer == "/cron"
    assert "minute, hour, day of month, month, day of week" in detail


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "europe/berlin", "../etc/passwd", "/etc/passwd", "Europe", "a\x00", "right/UTC", "x" * 300],
)
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InputRefused) as refused:
        check_zone(zone)
    assert refused.value.problems[0][0] == "/timezone"


def test_an_interval_is_aligned_to_its_anchor() -> None:
    every = Every(timedelta(seconds=90), NOW)
    assert next_after(every, NOW - timedelta(days=1)) == NOW + timedelta(seconds=90)
    assert next_after(every, NOW) == NOW + timedelta(seconds=90)
    assert next_after(every, NOW + timedelta(seconds=90)) == NOW + timedelta(seconds=180)
    assert next_after(every, NOW + timedelta(seconds=179.999)) == NOW + timedelta(seconds=180)


FIELDS = (("*", "*/7", "0", "30", "15,45", "10-50/20"), ("*", "*/3", "2", "1,2,3", "0"), ("*", "1", "L", "29-31"))
CRONS = st.builds(
    lambda minute, hour, day, zone: Cron(f"{minute} {hour} {day} * *", zone),
    *(st.sampled_from(field) for field in FIELDS),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]),
)
EVERIES = st.builds(
    Every, st.floats(1, 1e6).map(lambda s: timedelta(seconds=s)), st.just(NOW) | st.just(utc("2026-10-25T00:00:00.1"))
)
# Weeks around the changes of clocks, to the second.
MOMENTS = st.sampled_from(["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-02-16"]).flatmap(
    lambda day: st.integers(-200_000, 200_000).map(lambda seconds: utc(day) + timedelta(seconds=seconds))
)


@settings(max_examples=150, deadline=None)
@given(CRONS | EVERIES, MOMENTS)
def test_ticks_are_later_and_later_and_the_same_wherever_one_begins(timing: Timing, moment: datetime) -> None:
    found = list(islice(ticks_after(timing, moment), 6))
    assert found[0] > moment
    assert all(later > sooner for sooner, later in pairwise(found))
    assert [next_after(timing, tick) for tick in found[:-1]] == found[1:]


@settings(max_examples=100, deadline=None)
@given(CRONS | EVERIES, MOMENTS, st.integers(0, 300_000))
def test_the_latest_tick_is_the_last_one_before_the_next(timing: Timing, moment: datetime, span: int) -> None:
    first = next_after(timing, moment)
    until = first + timedelta(seconds=span)
    found = latest(timing, first, until)
    assert first <= found <= until
    assert next_after(timing, found) > until


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("0123456789*/-,LW#MONJ@ ", max_size=6) | st.text(max_size=3), max_size=6).map(" ".join))
def test_any_text_is_taken_or_refused_and_nothing_else(expression: str) -> None:
    try:
        check_cron(expression, "UTC", NOW)
    except InputRefused:
        return
    assert next_after(Cron(expression, "UTC"), NOW) > NOW
