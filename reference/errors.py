"""The page of errors: the codes of problems, and what may stand in the ``error`` of a task."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from reference.advice import ADVICE
from reference.markdown import blocks, code, first_line, table
from service.problems import KNOWN
from shared.db.statements.liveness import LOST_TOO_OFTEN
from shared.db.statements.moves import EXPIRED
from shared.domain import errors
from worker.executor import INVALID_INPUT

INTRO = """
# Errors
## Of a request
Every refusal is `application/problem+json` ([ProblemView](api.md#problemview)). Branch on `code`: it is stable. The
command line's exit codes are in [cli.md](../cli.md), the errors of the Python client in [client.md](client.md#errors).
"""
OF_TASKS = """
## Of a task
A task that FAILED, or one that waits for its next attempt, has an `error`: `type`, `message`, and `retryable`, which
says whether another attempt could have helped. `type` is the name of the class that the handler raised, or one of
these:
"""
RAISED = """
## Raised by handlers and by what they use
These have a meaning of their own; any other error goes by the type's [retry policy](../concepts.md#retries).
"""
TASKS = {
    EXPIRED.type: "It was not started before its `expires_at`.",
    "TimeoutError": "An attempt did not end within its `timeout`, or something in it timed out.",
    INVALID_INPUT: "The stored input does not fit the type: the code has changed since, or a workflow made it.",
    "invalid_reference": "A reference in its input leads to nothing in what another node of its workflow gave.",
    "result_too_large": "The result is over 1 MiB: write it to a file, and return its id.",
    "unstorable": "PostgreSQL cannot hold the result.",
    "poison": "Its own process died under it twice: it ran out of memory, or crashed the interpreter.",
    LOST_TOO_OFTEN.type: "Ten times its worker was lost while it ran.",
    "UnknownTaskType": "The worker that took it does not know the type.",
    "PatienceLost": "It came too early for its model for longer than `TASKRUNNER_AI_PATIENCE`.",
}
RAISABLE: tuple[type[errors.TaskRunnerError], ...] = (
    errors.Retry,
    errors.Fatal,
    errors.MissingExtra,
    errors.OutboundRefused,
    errors.FileMissing,
    errors.ProviderUnavailable,
    errors.RateLimited,
)
EFFECTS: dict[type[errors.TaskRunnerError], str] = {
    errors.Retry: "Another attempt after its `delay`, whatever the policy says, while attempts are left.",
    errors.RateLimited: "Another attempt after the wait it names, which costs none.",
    errors.ProviderUnavailable: "Another attempt, by the policy for `ConnectionError`, not before the wait it names.",
}
FATAL = "FAILED, whatever attempts are left."


def page() -> str:
    problems = ((code(name), str(status), title, *ADVICE[name]) for name, (status, title) in _by_status())
    return blocks(
        INTRO,
        table(("code", "status", "title", "when", "what to do"), problems),
        OF_TASKS,
        table(("type", "when"), ((code(name), when) for name, when in TASKS.items())),
        RAISED,
        table(("error", "means", "then"), _raised()),
    )


def _by_status() -> Iterator[tuple[str, tuple[int, str]]]:
    yield from sorted(KNOWN.items(), key=lambda item: item[1][0])


def _raised() -> Iterator[tuple[str, str, str]]:
    for error in RAISABLE:
        yield code(error.__name__), first_line(inspect.getdoc(error) or ""), EFFECTS.get(error, FATAL)
