"""Which hours are looked at again, and how the counts of two spans become one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.domain.run import StatsRow
from shared.domain.statistics import looked_at_again, merged

HOUR = datetime(2026, 3, 31, 12, tzinfo=UTC)


def ages(days: int) -> list[int]:
    return [(HOUR - past) // timedelta(hours=1) for past in looked_at_again(HOUR, days=days)]


def test_an_hour_is_looked_at_again_ever_more_rarely_and_at_last_before_its_tasks_leave() -> None:
    assert ages(1) == [1, 2, 4, 8, 16, 24]
    assert ages(30) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 720]


def test_spans_add_up_and_percentiles_are_weighed_by_tasks() -> None:
    one = StatsRow("a", "q", 30, 20, 5, 5, 1, 1.0, 2.0, None, 4.0, 8.0, None)
    two = StatsRow("a", "q", 10, 10, 0, 0, 2, 5.0, 6.0, 7.0, None, 0.0, None)
    other = StatsRow("a", "r", 1, 1, 0, 0, 0, None, None, None, None)
    assert merged([two, other, one]) == [
        StatsRow("a", "q", 40, 30, 5, 5, 3, 2.0, 3.0, 7.0, 4.0, 6.0, None),
        other,
    ]
    assert merged([]) == []
