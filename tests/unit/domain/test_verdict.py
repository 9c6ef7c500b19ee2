"""The decision after a run: every outcome, at every position among the attempts, under every kind of policy."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Fatal, MissingExtra, ProviderUnavailable, Retry
from shared.domain.outcomes import (
    CancelHonoured,
    Crashed,
    Failed,
    Interrupted,
    Outcome,
    Succeeded,
    TimedOut,
    failure_of,
)
from shared.domain.retry import DEFAULT_RETRY, Exponential, Never, RetryPolicy
from shared.domain.states import MOVES, AttemptOutcome, Status
from shared.domain.verdict import LONGEST_DELAY, RESULT_LIMIT_BYTES, Attempted, Verdict, decide

FIRST, MIDDLE, LAST, ONLY = Attempted(1, 4), Attempted(3, 4), Attempted(4, 4), Attempted(1, 1)
POSITIONS = (FIRST, MIDDLE, LAST, ONLY)
POLICIES: tuple[RetryPolicy, ...] = (DEFAULT_RETRY, Exponential(base=10.0), Never())

OUTCOMES: tuple[Outcome, ...] = (
    Succeeded("{}"),
    Succeeded('"' + "x" * RESULT_LIMIT_BYTES + '"'),
    failure_of(ConnectionError("gone")),
    failure_of(ValueError("bad")),
    failure_of(RuntimeError("other")),
    failure_of(Fatal("never")),
    failure_of(Retry("later", delay=7)),
    failure_of(ProviderUnavailable("busy", retry_after=timedelta(minutes=10))),
    TimedOut(30.0),
    CancelHonoured(),
    Interrupted(),
)


def verdict(outcome: Outcome, at: Attempted = FIRST, policy: RetryPolicy = DEFAULT_RETRY) -> Verdict:
    return decide(at, outcome, policy, jitter=0.0)


@pytest.mark.parametrize(("outcome", "at", "policy"), list(product(OUTCOMES, POSITIONS, POLICIES)))
def test_every_verdict_can_be_written(outcome: Outcome, at: Attempted, policy: RetryPolicy) -> None:
    decided = verdict(outcome, at, policy)
    assert decided.status in MOVES[Status.PROCESSING]
    assert (decided.result is not None) == (decided.status is Status.COMPLETED)
    assert (decided.error is not None) == (
        decided.outcome in {AttemptOutcome.FAILED, AttemptOutcome.RETRIED, AttemptOutcome.TIMED_OUT}
    )
    assert timedelta(0) <= decided.delay <= LONGEST_DELAY
    assert decided.delay == timedelta(0) or decided.status is Status.RETRYING
    assert decided.keeps_attempt == (decided.outcome is not AttemptOutcome.RELEASED)
    if decided.status is Status.RETRYING and decided.keeps_attempt:
        assert at.attempt < at.max_attempts, "no attempt beyond the last"


@pytest.mark.parametrize("at", POSITIONS)
@pytest.mark.parametrize(
    ("outcome", "status", "recorded"),
    [
        (Succeeded("1"), Status.COMPLETED, AttemptOutcome.COMPLETED),
        (CancelHonoured(), Status.CANCELLED, AttemptOutcome.CANCELLED),
        (Interrupted(), Status.RETRYING, AttemptOutcome.RELEASED),
        (failure_of(Fatal("never")), Status.FAILED, AttemptOutcome.FAILED),
        (failure_of(MissingExtra("x", "y")), Status.FAILED, AttemptOutcome.FAILED),
        (failure_of(ValueError("bad")), Status.FAILED, AttemptOutcome.FAILED),
    ],
)
def test_what_no_count_of_attempts_changes(
    at: Attempted, outcome: Outcome, status: Status, recorded: AttemptOutcome
) -> None:
    decided = verdict(outcome, at)
    assert (decided.status, decided.outcome) == (status, recorded)


@pytest.mark.parametrize(
    ("outcome", "attempt", "seconds"),
    [
        (failure_of(ConnectionError("gone")), 1, 60),
        (failure_of(ConnectionError("gone")), 2, 120),
        (failure_of(ConnectionError("gone")), 3, 240),
        (failure_of(RuntimeError("other")), 1, 120),
        (failure_of(RuntimeError("other")), 3, 480),
        (TimedOut(5.0), 1, 120),
        (TimedOut(5.0), 2, 240),
        (failure_of(Retry(delay=7)), 1, 7),
        (failure_of(Retry(delay=7)), 3, 7),
        (failure_of(Retry()), 1, 0),
    ],
)
def test_how_long_a_retry_waits(outcome: Outcome, attempt: int, seconds: int) -> None:
    decided = verdict(outcome, Attempted(attempt, 4))
    assert (decided.status, decided.delay) == (Status.RETRYING, timedelta(seconds=seconds))


@pytest.mark.parametrize("outcome", [failure_of(RuntimeError("x")), failure_of(Retry(delay=1)), TimedOut(5.0)])
@pytest.mark.parametrize("at", [LAST, ONLY, Attempted(5, 4)])
def test_the_last_attempt_fails_and_says_that_it_was_worth_another(at: Attempted, outcome: Outcome) -> None:
    decided = verdict(outcome, at)
    assert decided.status is Status.FAILED
    assert decided.error is not None
    assert decided.error.retryable


def test_a_time_out_is_told_apart_from_a_failure_on_every_attempt() -> None:
    assert verdict(TimedOut(5.0), FIRST).outcome is AttemptOutcome.TIMED_OUT
    assert verdict(TimedOut(5.0), LAST).outcome is AttemptOutcome.TIMED_OUT
    error = verdict(TimedOut(0.5), LAST).error
    assert error is not None
    assert (error.type, error.message) == ("TimeoutError", "The task did not end within its 0.5 s.")


def test_retry_by_name_goes_over_a_policy_of_never_and_fatal_over_any() -> None:
    assert verdict(failure_of(Retry(delay=1)), FIRST, Never()).status is Status.RETRYING
    assert verdict(failure_of(Fatal()), FIRST, Exponential()).status is Status.FAILED


def test_a_subclass_of_retry_and_value_error_is_a_retry() -> None:
    both = type("Both", (Retry, ValueError), {})
    assert verdict(failure_of(both(delay=3))).delay == timedelta(seconds=3)


@pytest.mark.parametrize(("asked", "waits"), [(1, 60), (59, 60), (60, 60), (61, 61), (7_200, 7_200)])
def test_a_providers_wait_is_a_floor_under_our_curve(asked: int, waits: int) -> None:
    busy = failure_of(ProviderUnavailable("busy", retry_after=timedelta(seconds=asked)))
    assert verdict(busy).delay == timedelta(seconds=waits)


@given(st.floats(min_value=0.001, max_value=100), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_scale_shortens_the_curve_and_nothing_that_was_asked_by_name(scale: float, jitter: float) -> None:
    def delay(outcome: Outcome) -> timedelta:
        return decide(FIRST, outcome, DEFAULT_RETRY, jitter=jitter, scale=scale).delay

    curve = Exponential(base=60.0).delay(1, jitter)
    assert delay(failure_of(ConnectionError())) == curve * scale
    assert delay(failure_of(Retry(delay=9))) == timedelta(seconds=9)
    asked = timedelta(seconds=300)
    assert delay(failure_of(ProviderUnavailable(retry_after=asked))) == max(asked, curve * scale)


@pytest.mark.parametrize(
    "error",
    [Retry(delay=timedelta.max), ProviderUnavailable(retry_after=timedelta.max)],
    ids=lambda error: type(error).__name__,
)
def test_no_delay_is_longer_than_the_database_can_add(error: Exception) -> None:
    assert verdict(failure_of(error)).delay == LONGEST_DELAY


def test_a_negative_delay_means_at_once() -> None:
    assert verdict(failure_of(Retry(delay=-5))).delay == timedelta(0)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * (RESULT_LIMIT_BYTES - 2), True),
        ("x" * (RESULT_LIMIT_BYTES - 1), False),
        ("é" * (RESULT_LIMIT_BYTES // 2 - 1), True),
        ("é" * (RESULT_LIMIT_BYTES // 2), False),
    ],
    ids=["to the byte", "one over", "two-byte letters", "bytes, not letters, are counted"],
)
def test_a_result_over_a_mebibyte_fails_for_good(text: str, fits: bool) -> None:
    decided = verdict(Succeeded(f'"{text}"'))
    if fits:
        assert decided.status is Status.COMPLETED
        return
    assert decided.status is Status.FAILED
    assert decided.error is not None
    assert (decided.error.type, decided.error.retryable) == ("result_too_large", False)


def test_the_facts_of_the_failure_reach_the_row() -> None:
    decided = verdict(Failed("Oops", "it broke", traceback="line 1"))
    assert decided.error is not None
    assert (decided.error.type, decided.error.message, decided.error.traceback) == ("Oops", "it broke", "line 1")


def test_the_first_death_of_a_tasks_own_process_is_forgiven_and_the_second_is_poison() -> None:
    again = decide(Attempted(1, 4, crashes=0), Crashed("It exited with code 9."), DEFAULT_RETRY, jitter=0.5)
    assert (again.status, again.delay, again.keeps_attempt, again.is_crash) == (
        Status.RETRYING,
        timedelta(0),
        False,
        True,
    )
    final = decide(Attempted(1, 4, crashes=1), Crashed("It exited with code 9."), DEFAULT_RETRY, jitter=0.5)
    assert final.error is not None
    assert (final.status, final.error.type, final.error.retryable) == (Status.FAILED, "poison", False)
