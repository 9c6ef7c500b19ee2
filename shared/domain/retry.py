"""Retry policies: which failure is worth another attempt, and after how long.

Arithmetic only. Jitter is an argument in [0, 1), so every decision can be tested as a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.domain.outcomes import Failed

LONGEST_SECONDS = 365 * 86_400


class Backoff(Protocol):
    """How long to wait after the n-th failure, or not to retry at all."""

    def delay(self, failures: int, jitter: float, /) -> timedelta | None:
        """The wait before the next attempt after ``failures`` ≥ 1 failed ones; None: no more."""
        ...


@dataclass(frozen=True, slots=True)
class Exponential:
    """``base × factor^(failures − 1)``, at most ``cap``, stretched by up to ``spread``. Seconds.

    Raises: ValueError for a curve that falls, or that no delay could hold.
    """

    base: float = 120.0
    factor: float = 2.0
    cap: float = 3_600.0
    spread: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.base < math.inf and 1 <= self.factor <= 1_000 and 0 <= self.cap <= LONGEST_SECONDS):
            raise ValueError(f"{self}: base and cap must be ≥ 0, cap at most a year, and factor 1 to 1000")
        if not 0 <= self.spread <= 10:
            raise ValueError(f"{self}: spread must be 0 to 10")

    def delay(self, failures: int, jitter: float, /) -> timedelta:
        # The exponent is bounded so that no count of failures overflows a float.
        seconds = min(self.cap, self.base * self.factor ** min(failures - 1, 64))
        return timedelta(seconds=seconds * (1 + self.spread * jitter))


@dataclass(frozen=True, slots=True)
class Never:
    """The failure is final."""

    def delay(self, _failures: int, _jitter: float, /) -> None:
        return None


@dataclass(frozen=True, slots=True)
class ByError:
    """A backoff per error class; the first rule whose class is in the error's lineage decides."""

    rules: tuple[tuple[type[BaseException], Backoff], ...]
    otherwise: Backoff

    def backoff_for(self, failure: Failed) -> Backoff:
        for error_class, backoff in self.rules:
            if qualified_name(error_class) in failure.lineage:
                return backoff
        return self.otherwise


RetryPolicy = ByError | Exponential | Never

DEFAULT_RETRY = ByError(
    rules=((ConnectionError, Exponential(base=60.0)), (ValueError, Never())),
    otherwise=Exponential(base=120.0),
)
"""ConnectionError from 60 s, ValueError never, anything else (time-outs too) from 120 s."""


def qualified_name(error_class: type[BaseException]) -> str:
    """``module.Class``, how an error's class is named across process boundaries."""
    return f"{error_class.__module__}.{error_class.__qualname__}"


def backoff_of(policy: RetryPolicy, failure: Failed) -> Backoff:
    """The backoff ``policy`` applies to ``failure``."""
    return policy.backoff_for(failure) if isinstance(policy, ByError) else policy


def describe_policy(policy: RetryPolicy) -> dict[str, object]:
    """The policy as plain JSON, for ``GET /task-types``. Durations are seconds."""
    match policy:
        case Exponential():
            return {"kind": "exponential", "base": policy.base, "factor": policy.factor, "cap": policy.cap}
        case Never():
            return {"kind": "never"}
        case ByError():
            rules = {c.__name__: _describe_backoff(b) for c, b in policy.rules}
            return {"kind": "by_error", "rules": rules, "otherwise": _describe_backoff(policy.otherwise)}


def _describe_backoff(backoff: Backoff) -> dict[str, object]:
    return describe_policy(backoff) if isinstance(backoff, (Exponential, Never)) else {"kind": "custom"}
