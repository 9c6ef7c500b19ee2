"""How long a service may be away from those who wait for something in it. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from service.client.calls import Flow, Pause
from service.client.errors import ServiceUnavailable, Unreachable

T = TypeVar("T")

LONGEST_OUTAGE = 30.0
"""Seconds a service that was there may be away; one that was never there is named at once."""
LATEST_LOOK = 1.0
"""Seconds between two looks for it."""


def patiently(ask: Callable[[], Flow[T]], outage: float) -> Flow[T]:
    """What ``ask`` gives; a service that is away has ``outage`` seconds to come back."""
    gives_up_at = monotonic() + outage
    while True:
        try:
            return (yield from ask())
        except (Unreachable, ServiceUnavailable):
            if monotonic() + LATEST_LOOK > gives_up_at:
                raise
        yield Pause(LATEST_LOOK)
