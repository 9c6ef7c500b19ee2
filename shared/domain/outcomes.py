"""What one run of a handler came to, before anybody decides what that means for the task."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain.errors import Fatal, ProviderUnavailable, RateLimited, Retry, describe

LONGEST_WAIT_SECONDS = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned; ``result`` is its output as JSON text."""

    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised.

    ``lineage`` names the error's class and its bases as ``module.Class``, most derived first:
    all that is left of a class once it has crossed a process boundary. ``is_free``: it came too early, and
    costs no attempt.
    """

    type: str
    message: str
    lineage: tuple[str, ...] = ()
    traceback: str | None = field(default=None, repr=False)
    is_fatal: bool = False
    is_deferral: bool = False
    retry_after: timedelta | None = None
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The handler was ended at its time limit, ``timeout`` seconds."""

    timeout: float


@dataclass(frozen=True, slots=True)
class CancelHonoured:
    """A cancel request reached the handler, and it ended."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The worker had to stop; the run is given back and costs no attempt."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process that ran the handler died under it; ``message`` says how."""

    message: str


Outcome = Succeeded | Failed | TimedOut | CancelHonoured | Interrupted | Crashed


def failure_of(error: BaseException, *, traceback_limit: int = 16_000) -> Failed:
    """The facts of ``error``: text cleaned for storage, the traceback's tail kept."""
    lines = "".join(traceback.format_exception(error))
    return Failed(
        type=type(error).__name__,
        message=describe(error) or type(error).__name__,
        lineage=tuple(f"{c.__module__}.{c.__qualname__}" for c in type(error).__mro__),
        traceback=describe(lines[-traceback_limit:], limit=traceback_limit),
        is_fatal=isinstance(error, Fatal),
        is_deferral=isinstance(error, Retry),
        retry_after=_wait_asked_for(error),
        is_free=isinstance(error, RateLimited),
    )


def _wait_asked_for(error: BaseException) -> timedelta | None:
    """The wait that ``error`` names. A user's subclass may give a number of seconds, or forget it."""
    match error:
        case Retry():
            wait = getattr(error, "delay", None)
        case ProviderUnavailable():
            wait = getattr(error, "retry_after", None)
        case _:
            return None
    if isinstance(wait, (int, float)) and 0 <= wait <= LONGEST_WAIT_SECONDS:
        return timedelta(seconds=wait)
    return wait if isinstance(wait, timedelta) else None
