"""Rates: the arithmetic against a model that remembers every use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rates import ModelLimits, Rate, parse_model_limits, parse_rate

MICROSECOND = 1e-6


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/m", Rate(100, 60.0)), ("5/s", Rate(5, 1.0)), ("1/h", Rate(1, 3_600.0)), ("7/d", Rate(7, 86_400.0))],
)
def test_a_rate_is_a_count_and_a_period(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate
    assert str(rate) == text


@pytest.mark.parametrize("text", ["", "100", "0/m", "-1/m", "1.5/m", "1/w", "1 / m", "1/m ", "9999999999/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("60rpm/40000tpm", ModelLimits(Rate(60, 60.0), Rate(40_000, 60.0))),
        ("60rpm", ModelLimits(requests=Rate(60, 60.0))),
        ("40000tpm", ModelLimits(tokens=Rate(40_000, 60.0))),
    ],
)
def test_a_models_limits_are_requests_and_tokens_a_minute(text: str, limits: ModelLimits) -> None:
    assert parse_model_limits(text) == limits


@pytest.mark.parametrize("text", ["", "/", "60", "60rpm/", "/5tpm", "60rpm5tpm", "0rpm", "5tpm/60rpm", "60 rpm"])
def test_what_is_no_limit_of_a_model_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no limit"):
        parse_model_limits(text)


def test_a_rate_begins_with_a_tenth_of_its_period() -> None:
    rate = Rate(100, 60.0)
    assert (rate.allowed(0.0), rate.allowed(rate.slack), rate.allowed(rate.slack + 0.01)) == (10, 1, 0)
    assert rate.wait(rate.slack + 0.25) == pytest.approx(0.25)


def test_a_slow_rate_allows_one_at_a_time() -> None:
    rate = Rate(2, 3_600.0)
    assert (rate.allowed(0.0), rate.allowed(0.5), rate.wait(1_800.0)) == (1, 0, 1_800.0)


@given(
    st.builds(Rate, st.integers(1, 500), st.sampled_from([1.0, 60.0, 3_600.0])),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_the_rate_and_its_slack(rate: Rate, asks: list[tuple[float, int]]) -> None:
    """``asks``: seconds since the one before, and how many are wanted."""
    now, until = 0.0, 0.0
    uses: list[float] = []
    for pause, wanted in asks:
        now += pause
        ahead = max(0.0, until - now)
        granted = min(wanted, rate.allowed(ahead))
        assert (granted > 0) == (rate.wait(ahead) <= MICROSECOND)
        uses += [now] * granted
        until = max(until, now) + granted * rate.interval
    for index, start in enumerate(uses):
        for last in range(index, len(uses)):
            window = uses[last] - start
            fits = (window + rate.slack) / rate.interval + 1 + 1e-3 * (last - index + 1)
            assert last - index + 1 <= fits


@given(st.builds(Rate, st.integers(1, 500), st.sampled_from([1.0, 60.0])), st.floats(0, 1_000))
def test_who_waits_as_long_as_told_may_begin(rate: Rate, ahead: float) -> None:
    assert rate.allowed(max(0.0, ahead - rate.wait(ahead))) >= 1
