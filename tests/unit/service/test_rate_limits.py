"""A key's budget for a window: counted down, told with every answer, given anew."""

from __future__ import annotations

import pytest

from service.problems import Problem
from service.rate_limits import WINDOW_SECONDS, RateLimits

SECOND = 3.0
"""Of the window; seven are left."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> RateLimits:
    made = RateLimits(1, clock=clock)
    made._ahead = 1_000.0 * WINDOW_SECONDS + SECOND
    return made


def told(rates: RateLimits, key_id: str = "abcd") -> tuple[str, Problem | None]:
    headers, refusal = rates.take(key_id)
    assert headers[0] == (b"ratelimit-policy", b'"key";q=10;w=10')
    assert headers[1][0] == b"ratelimit"
    return headers[1][1].decode(), refusal


def test_a_budget_is_counted_down_and_then_refused(rates: RateLimits, clock: Clock) -> None:
    assert [told(rates) for _ in range(10)] == [(f'"key";r={left};t=7', None) for left in range(9, -1, -1)]
    clock.now = 2.5
    for _ in range(3):
        shown, refusal = told(rates)
        assert shown == '"key";r=0;t=5'
        assert refusal is not None
        assert (refusal.status_code, refusal.code) == (429, "rate_limited")
        assert refusal.headers == {"Retry-After": "5"}


def test_the_next_window_begins_anew(rates: RateLimits, clock: Clock) -> None:
    for _ in range(11):
        told(rates)
    clock.now = WINDOW_SECONDS - SECOND
    assert told(rates) == ('"key";r=9;t=10', None)


def test_each_key_has_a_budget_of_its_own(rates: RateLimits) -> None:
    for _ in range(11):
        told(rates)
    assert told(rates, "other") == ('"key";r=9;t=7', None)
