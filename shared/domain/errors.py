"""Every error this project raises on purpose.

    TaskRunnerError
    ├── ConfigurationError        a setting or a task module is wrong: the process stops with one line
    ├── UnknownTaskType           no module defines this type
    ├── InputRefused              the type's input model refused the input
    ├── NotFound                  no such row for this tenant
    ├── Conflict                  the state forbids the move
    ├── KeyInFlight               the first request with this Idempotency-Key has not ended
    ├── KeyReused                 the Idempotency-Key was used with another body
    ├── StoreUnavailable          PostgreSQL cannot be reached, or has no connection free
    │   └── StorageFull           it can, and has no room left to write
    ├── Unstorable                PostgreSQL refuses the value itself
    └── Raised by handlers and providers
        ├── Retry                 run again after ``delay``, whatever the type's policy says
        ├── Fatal                 never run again
        │   ├── MissingExtra      an optional package is not installed on this worker
        │   ├── OutboundRefused   a URL that may not be fetched
        │   └── FileMissing       no such file for this tenant
        └── ProviderUnavailable   (also a ConnectionError) the outside world may answer later
            └── RateLimited       it wants to be asked later: that costs no attempt

No class here knows HTTP: the API maps each ``code`` to a status once, at its door.
"""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any, ClassVar


class TaskRunnerError(Exception):
    """Base of all; the docstring of each class is its default message."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None) -> None:
        # A subclass without a docstring inherits one: a handler's own Fatal often has none.
        super().__init__(message or (inspect.getdoc(type(self)) or type(self).__name__).splitlines()[0])


class ConfigurationError(TaskRunnerError):
    """A setting is wrong."""

    code = "configuration"


class UnknownTaskType(TaskRunnerError):
    """No task type has this name."""

    code = "unknown_task_type"


class InputRefused(TaskRunnerError):
    """The task type refuses this input.

    ``problems`` holds ``(pointer, detail)`` pairs; a pointer is RFC 6901, relative to the input.
    """

    code = "validation_error"

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer or '/'}: {detail}" for pointer, detail in problems))
        self.problems = problems


class NotFound(TaskRunnerError):
    """There is nothing with this id."""

    code = "not_found"


class Conflict(TaskRunnerError):
    """The state of the task does not allow this."""

    code = "conflict"


class KeyInFlight(TaskRunnerError):
    """The first request with this Idempotency-Key is still running."""

    code = "idempotency_in_flight"


class KeyReused(TaskRunnerError):
    """This Idempotency-Key was used with a different body."""

    code = "idempotency_key_reused"


class StoreUnavailable(TaskRunnerError):
    """The database cannot be reached."""

    code = "store_unavailable"


class StorageFull(StoreUnavailable):
    """The database's disk is full."""

    # The contract spells this one with a hyphen.
    code = "storage-full"


class Unstorable(TaskRunnerError):
    """The database cannot hold this value."""

    code = "unstorable"


class Retry(TaskRunnerError):
    """Run again later."""

    code = "retry"

    def __init__(self, message: str | None = None, *, delay: float | timedelta = 0.0) -> None:
        super().__init__(message)
        self.delay = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)


class Fatal(TaskRunnerError):
    """This can never succeed."""

    code = "fatal"


class MissingExtra(Fatal):
    """An optional package is not installed."""

    code = "missing_extra"

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}', which this worker lacks: run make install on its machine")
        self.extra = extra


class OutboundRefused(Fatal):
    """This URL may not be fetched."""

    code = "outbound_refused"


class FileMissing(Fatal):
    """There is no file with this id."""

    code = "file_missing"


class ProviderUnavailable(TaskRunnerError, ConnectionError):
    """The outside service could not answer.

    ``retry_after`` is the wait the service asked for, if it asked.
    """

    code = "provider_unavailable"

    def __init__(self, message: str | None = None, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(ProviderUnavailable):
    """The outside service wants to be asked later."""

    code = "rate_limited"


def bottom_of(error: BaseException) -> BaseException:
    """Where the chain of causes begins: what a driver said itself. A time-out is one, not the cancel it is made of."""
    while error.__cause__ is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error


def why_unavailable(error: StoreUnavailable) -> str:
    """One line for whoever starts a process: what the driver said, and what to look at. Own words are left alone."""
    told, bottom = str(error), bottom_of(error)
    if told != str(StoreUnavailable()):
        return told
    said = " ".join(describe(bottom).split()) or "no answer in time"
    reason = "" if bottom is error else f": {said.rstrip('.')}"
    return f"{told.rstrip('.')}{reason}. Is DATABASE_URL right, and PostgreSQL up?"


def describe(value: Any, limit: int = 2_000) -> str:
    """A message fit for a row and a log: no NUL, no lone surrogate, bounded length."""
    try:
        raw = str(value)
    except Exception:  # noqa: BLE001 - a handler's error may have a broken __str__, and must still be told of
        raw = f"<{type(value).__name__} without a readable message>"
    text = raw.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else text[: limit - 1] + "…"
