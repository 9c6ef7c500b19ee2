"""Retry arithmetic: bounds, cap, growth, jitter; and which backoff an error's lineage selects."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.domain.errors import ProviderUnavailable
from shared.domain.outcomes import failure_of
from shared.domain.retry import (
    DEFAULT_RETRY,
    Backoff,
    ByError,
    Exponential,
    Never,
    RetryPolicy,
    backoff_of,
    describe_policy,
    qualified_name,
)

SECONDS = st.floats(min_value=0.001, max_value=86_400)
CURVES = st.builds(
    Exponential,
    base=SECONDS,
    factor=st.floats(min_value=1, max_value=10),
    cap=SECONDS,
    spread=st.floats(min_value=0, max_value=1),
)
JITTERS = st.floats(min_value=0, max_value=1, exclude_max=True)
FAILURES = st.integers(min_value=1, max_value=32_767)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 60), (2, 120), (3, 240), (6, 1_920), (7, 3_600), (32_767, 3_600)]
)
def test_the_wait_doubles_up_to_the_cap(failures: int, seconds: int) -> None:
    assert Exponential(base=60.0).delay(failures, 0.0) == timedelta(seconds=seconds)


@given(CURVES, FAILURES, JITTERS)
def test_a_wait_stays_between_the_plain_curve_and_its_spread(curve: Exponential, failures: int, jitter: float) -> None:
    plain = curve.delay(failures, 0.0)
    stretched = curve.delay(failures, jitter)
    assert timedelta(0) <= plain <= stretched
    assert stretched <= plain * (1 + curve.spread) + timedelta(microseconds=1)
    assert plain <= timedelta(seconds=curve.cap)
    assert plain.total_seconds() == pytest.approx(min(curve.cap, curve.base), rel=1e-6, abs=1e-6) or failures > 1


@given(CURVES, st.integers(min_value=1, max_value=200), JITTERS)
def test_a_later_failure_never_waits_less(curve: Exponential, failures: int, jitter: float) -> None:
    assert curve.delay(failures, jitter) <= curve.delay(failures + 1, jitter)


@given(CURVES, FAILURES, st.tuples(JITTERS, JITTERS))
def test_more_jitter_never_waits_less(curve: Exponential, failures: int, jitters: tuple[float, float]) -> None:
    less, more = sorted(jitters)
    assert curve.delay(failures, less) <= curve.delay(failures, more)


@pytest.mark.parametrize(
    "given_",
    [
        {"base": -1.0},
        {"base": math.nan},
        {"factor": 0.5},
        {"factor": 1e9},
        {"cap": math.inf},
        {"cap": -1.0},
        {"spread": -0.1},
        {"spread": math.inf},
    ],
    ids=str,
)
def test_a_curve_that_could_not_be_stored_is_refused_where_it_is_written(given_: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Exponential"):
        Exponential(**given_)


def test_the_steepest_curve_does_not_overflow() -> None:
    assert Exponential(base=1e6, factor=1_000.0).delay(32_767, 0.99) < timedelta(hours=2)


class Model(BaseModel):
    number: int


def refused_by_pydantic() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"number": "no"})
    return caught.value


@pytest.mark.parametrize(
    ("error", "backoff"),
    [
        (ConnectionError("gone"), Exponential(base=60.0)),
        (ConnectionRefusedError("refused"), Exponential(base=60.0)),
        (BrokenPipeError("cut"), Exponential(base=60.0)),
        (ProviderUnavailable("busy"), Exponential(base=60.0)),
        (ValueError("bad"), Never()),
        (UnicodeError("bad"), Never()),
        (json.JSONDecodeError("bad", "", 0), Never()),
        (refused_by_pydantic(), Never()),
        (TimeoutError("slow"), Exponential(base=120.0)),
        (OSError("disk"), Exponential(base=120.0)),
        (RuntimeError("other"), Exponential(base=120.0)),
        (KeyError("other"), Exponential(base=120.0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_default_policy_goes_by_the_class_and_its_bases(error: Exception, backoff: Backoff) -> None:
    assert backoff_of(DEFAULT_RETRY, failure_of(error)) == backoff


def test_the_first_matching_rule_decides() -> None:
    policy = ByError(rules=((ConnectionRefusedError, Never()), (OSError, Exponential(base=1.0))), otherwise=Never())
    assert backoff_of(policy, failure_of(ConnectionRefusedError())) == Never()
    assert backoff_of(policy, failure_of(ConnectionResetError())) == Exponential(base=1.0)
    assert backoff_of(policy, failure_of(RuntimeError())) == Never()


def test_a_class_of_the_same_name_elsewhere_is_another_class() -> None:
    impostor = type("ValueError", (Exception,), {"__module__": "somebody.elses"})
    assert qualified_name(impostor) == "somebody.elses.ValueError"
    assert backoff_of(DEFAULT_RETRY, failure_of(impostor())) == Exponential(base=120.0)


class Own:
    """A user's backoff."""

    def delay(self, failures: int, jitter: float, /) -> timedelta | None:
        return timedelta(seconds=failures)


@pytest.mark.parametrize(
    "policy",
    [
        Never(),
        Exponential(),
        DEFAULT_RETRY,
        ByError(rules=((OSError, Own()),), otherwise=Own()),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_every_policy_describes_itself_in_plain_json(policy: RetryPolicy) -> None:
    described = describe_policy(policy)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["kind"] in {"never", "exponential", "by_error"}


def test_the_default_policy_is_described_rule_by_rule() -> None:
    described = describe_policy(DEFAULT_RETRY)
    assert described["rules"] == {
        "ConnectionError": {"kind": "exponential", "base": 60.0, "factor": 2.0, "cap": 3600.0},
        "ValueError": {"kind": "never"},
    }
    assert described["otherwise"] == {"kind": "exponential", "base": 120.0, "factor": 2.0, "cap": 3600.0}


def test_a_rule_with_a_users_own_backoff_is_not_hidden() -> None:
    described = describe_policy(ByError(rules=((OSError, Own()),), otherwise=Never()))
    assert described["rules"] == {"OSError": {"kind": "custom"}}
