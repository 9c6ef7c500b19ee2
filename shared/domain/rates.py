"""Rates: so many in a period, spread evenly. Pure arithmetic over how far a rate has been used ahead of time.

The generic cell rate algorithm (ITU-T I.371): each use moves one moment ahead, and whoever asks looks at how far it
lies ahead of now. That one number is all there is to keep.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RATE = re.compile(r"([1-9]\d{0,8})/([smhd])")
MODEL_LIMITS = re.compile(r"(?:([1-9]\d{0,8})rpm(?:/(?=\d)|$))?(?:([1-9]\d{0,8})tpm)?")
PERIODS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
AT_ONCE_SECONDS = 1.0
AT_ONCE_SHARE = 0.1
"""What was not used may be made up for at once: that share of a period, a second's worth at least."""
ROUNDING = 1e-6
"""PostgreSQL counts microseconds: a use that is less than one early is on time."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` in every ``period`` seconds. ``ahead``, below, is where the moment stands, less now; 0 if past."""

    count: int
    period: float

    @property
    def interval(self) -> float:
        """Seconds that one use takes up."""
        return self.period / self.count

    @property
    def slack(self) -> float:
        """Seconds that the moment may lie ahead when a use begins."""
        return max(0.0, max(AT_ONCE_SECONDS, self.period * AT_ONCE_SHARE) - self.interval)

    def allowed(self, ahead: float) -> int:
        """How many uses of one may begin now."""
        room = self.slack - ahead + ROUNDING
        return 0 if room < 0 else int(room / self.interval) + 1

    def wait(self, ahead: float) -> float:
        """Seconds until the next use may begin; of however many it is: a large one makes the next wait longer."""
        return max(0.0, ahead - self.slack)

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in PERIODS.items() if seconds == self.period)
        return f"{self.count}/{unit}"


def parse_rate(text: str) -> Rate:
    """``100/m``: a count, and one of s, m, h, d. Raises: ValueError."""
    found = RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no rate: write 100/m, with s, m, h or d for the period")
    return Rate(int(found[1]), PERIODS[found[2]])


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What a provider allows for one model; None: it says nothing."""

    requests: Rate | None = None
    tokens: Rate | None = None


def parse_model_limits(text: str) -> ModelLimits:
    """``60rpm/40000tpm``, or one of them: requests and tokens a minute. Raises: ValueError."""
    found = MODEL_LIMITS.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"{text!r} is no limit of a model: write 60rpm/40000tpm, or one of them")
    requests, tokens = (None if count is None else Rate(int(count), PERIODS["m"]) for count in found.groups())
    return ModelLimits(requests, tokens)
