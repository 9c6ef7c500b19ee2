"""Who is dead, by readings of counters alone: tables of a watcher's experience."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.deathwatch import PATIENCE_AT_START, PROMPT_SECONDS, REGULAR_SECONDS, DeathWatch, Suspect

ONE, TWO = UUID(int=1), UUID(int=2)
PATIENCE = 6.0
ROUNDING = 1e-6


def watch_of(*readings: tuple[float, dict[UUID, int]], took: float = 0.01) -> list[list[Suspect]]:
    watch = DeathWatch(PATIENCE)
    return [watch.read(counters, asked_at=at, answered_at=at + took) for at, counters in readings]


def test_a_counter_that_stands_still_for_the_whole_patience_is_dead() -> None:
    said = watch_of(*((float(second), {ONE: 5}) for second in range(8)))
    assert said[:7] == [[]] * 7
    assert said[7] == [Suspect(ONE, 5)]


def test_who_has_never_beaten_is_given_longer_to_start_and_not_for_ever() -> None:
    said = watch_of(*((float(second), {ONE: 0}) for second in range(20)))
    assert said[:19] == [[]] * 19
    assert said[19] == [Suspect(ONE, 0)]


def test_a_counter_that_moves_is_alive_however_slowly() -> None:
    said = watch_of(*((float(second), {ONE: second // 5}) for second in range(60)))
    assert not any(said)


def test_the_living_are_told_from_the_dead() -> None:
    said = watch_of(*((float(second), {ONE: 5, TWO: second}) for second in range(8)))
    assert said[-1] == [Suspect(ONE, 5)]


def test_the_time_of_a_slow_reading_does_not_count() -> None:
    watch = DeathWatch(PATIENCE)
    for second in range(3):
        assert watch.read({ONE: 5}, asked_at=second, answered_at=second + 0.01) == []
    assert watch.read({ONE: 5}, asked_at=3, answered_at=3 + PROMPT_SECONDS + 0.5) == []
    later = [watch.read({ONE: 5}, asked_at=5 + s, answered_at=5.01 + s) for s in range(5)]
    assert not any(later[:-1]), "two seconds seen before the slow reading, and four after it"
    assert later[-1] == [Suspect(ONE, 5)]


def test_after_a_slow_reading_everybody_has_half_the_patience_to_beat() -> None:
    watch = DeathWatch(PATIENCE)
    for second in range(6):
        assert watch.read({ONE: 5}, asked_at=second, answered_at=second + 0.01) == []
    assert watch.read({ONE: 5}, asked_at=6, answered_at=8) == []
    later = [watch.read({ONE: 5}, asked_at=8 + s, answered_at=8.01 + s) for s in range(4)]
    assert not any(later[:-1])
    assert later[-1] == [Suspect(ONE, 5)]


def test_a_failed_reading_starts_the_watch_anew() -> None:
    watch = DeathWatch(PATIENCE)
    for second in range(6):
        watch.read({ONE: 5}, asked_at=second, answered_at=second + 0.01)
    watch.failed()
    assert watch.read({ONE: 5}, asked_at=7, answered_at=7.01) == []


def test_a_watcher_that_stood_still_itself_kills_nobody() -> None:
    """SIGSTOP of the watcher, a suspended laptop: two readings far apart say nothing of the time between."""
    watch = DeathWatch(PATIENCE)
    watch.read({ONE: 5}, asked_at=0, answered_at=0.01)
    assert watch.read({ONE: 5}, asked_at=600, answered_at=600.01) == []


def test_a_worker_that_left_is_forgotten() -> None:
    watch = DeathWatch(PATIENCE)
    for second in range(6):
        watch.read({ONE: 5}, asked_at=second, answered_at=second)
    watch.read({}, asked_at=6, answered_at=6)
    assert watch.read({ONE: 5}, asked_at=7, answered_at=7) == []


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 3), st.booleans()),
        min_size=1,
        max_size=50,
    )
)
def test_nobody_dies_who_was_not_seen_still_by_prompt_regular_readings(steps: list[tuple[float, float, bool]]) -> None:
    """The watch against a plain restatement of its rule, over any experience."""
    watch, now, beat = DeathWatch(PATIENCE), 0.0, 0
    seen_still: float | None = None
    last = 0.0
    for gap, took, moves in steps:
        asked, now = now + gap, now + gap + took
        beat += moves
        is_good = took <= PROMPT_SECONDS and asked - last <= REGULAR_SECONDS
        patience = PATIENCE if beat else PATIENCE * PATIENCE_AT_START
        if seen_still is None or moves:
            before = seen_still = 0.0
        elif is_good:
            before, seen_still = seen_still + (asked - last), seen_still + (now - last)
        else:
            before = seen_still = min(seen_still, patience / 2)
        last = now
        said = watch.read({ONE: beat}, asked_at=asked, answered_at=now)
        if before >= patience + ROUNDING:
            assert said == [Suspect(ONE, beat)]
        if before < patience - ROUNDING:
            assert said == []
