"""How a command ends: its exit code, and the one line that says what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import typer

from service.cli.output import complain
from service.client import (
    ClientError,
    Forbidden,
    NotFound,
    ProblemError,
    RateLimited,
    ServiceUnavailable,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
    WaitTimedOut,
    WorkflowTimedOut,
    errors,
)

if TYPE_CHECKING:
    from service.client.models import Ended


class ExitCode(IntEnum):
    """What scripts may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    UNREACHABLE = 5
    TIMED_OUT = 124


SHOWN_BY = {
    "tasks": "taskrunner list",
    "queues": "taskrunner queues",
    "workers": "taskrunner workers",
    "schedules": "taskrunner schedules",
    "workflows": "taskrunner workflows",
    "operations": "taskrunner operations",
    "deliveries": "taskrunner webhooks",
    "keys": "taskrunner keys list",
}
"""What lists the things of each route, for who asked for one that is not there."""


@contextmanager
def refusals_end_the_command() -> Iterator[None]:
    """Report a client error as a line or a few on stderr, and exit with its code."""
    try:
        yield
    except ClientError as error:
        complain(message_of(error), *details_of(error))
        raise typer.Exit(code_of(error)) from None


def end_with(task: Ended) -> None:
    """Exit 1 for a task or workflow that ended without a result. Raises: typer.Exit."""
    if task.is_final and not task.is_completed:
        raise typer.Exit(ExitCode.FAILED)


def code_of(error: ClientError) -> ExitCode:
    """The exit code. A refusal of what was given counts as wrong usage, a passing one as not reached."""
    match error:
        case Unreachable() | UnexpectedAnswer() | ServiceUnavailable() | RateLimited():
            return ExitCode.UNREACHABLE
        case WaitTimedOut() | WorkflowTimedOut():
            return ExitCode.TIMED_OUT
        case Unauthorized() | Forbidden():
            return ExitCode.AUTH
        case NotFound():
            return ExitCode.NOT_FOUND
        case ProblemError(status=status) if status == 409 or status >= 500:
            return ExitCode.FAILED
        case _:
            return ExitCode.USAGE


def message_of(error: ClientError) -> str:
    """What went wrong, and what to do about it."""
    match error:
        case Unreachable(reason=errors.NOTHING_LISTENS):
            message = (
                f"cannot reach {error.url}: is it running? make up starts it here; TASKRUNNER_URL says where it is"
            )
        case Unreachable():
            message = f"{error} (TASKRUNNER_URL names the service)"
        case WaitTimedOut():
            message = f"{error}; it goes on: taskrunner watch {error.task.id}"
        case WorkflowTimedOut():
            message = f"{error}; it goes on: taskrunner workflows get {error.workflow.id}"
        case ProblemError():
            # With field errors the detail only repeats what the lines below say.
            told = error.title if error.errors and error.title else error.detail
            message = f"{told} {_advice(error)}".rstrip()
        case _:
            message = str(error)
    return message


def _advice(problem: ProblemError) -> str:
    match problem:
        case Unauthorized():
            return "Put a valid key into TASKRUNNER_API_KEY."
        case Forbidden(code="anonymous_not_allowed"):
            return "Use a loopback address, or a key in TASKRUNNER_API_KEY."
        case Forbidden():
            return "Use a key with the scope it takes."
        case NotFound():
            asked = str(problem.document.get("instance", "")).removeprefix("/api/v1/").partition("/")[0]
            return f"See what there is: {SHOWN_BY[asked]}" if asked in SHOWN_BY else ""
        case RateLimited() | ServiceUnavailable():
            return f"Try again in {problem.retry_after:g} s." if problem.retry_after else "Try again soon."
        case _:
            return ""


def details_of(error: ClientError) -> list[str]:
    """One line for each field the service would not take; the request id where only its log can tell more."""
    if not isinstance(error, ProblemError):
        return []
    if error.status == 500 and error.request_id:
        return [f"the service's log tells more: request {error.request_id}"]
    return [f"{field.pointer or '/'}: {field.detail}" for field in error.errors]
