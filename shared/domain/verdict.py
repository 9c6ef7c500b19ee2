"""The decision after a run: what is written to the task's row. Pure; ``worker`` and ``queue`` obey it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, assert_never

from shared.domain.outcomes import CancelHonoured, Crashed, Failed, Interrupted, Outcome, Succeeded, TimedOut
from shared.domain.retry import RetryPolicy, backoff_of, qualified_name
from shared.domain.states import AttemptOutcome, Status

MOST_CRASHES = 2
"""Deaths of a task's own process. A first loss may come before them, so it starts three times at most."""
RESULT_LIMIT_BYTES = 1_048_576
"""A larger result fails the task: large output belongs in a file."""
LONGEST_DELAY = timedelta(days=365)
"""However long a handler or a provider asks for: a time past what PostgreSQL can add could never be settled."""


@dataclass(frozen=True, slots=True)
class TaskError:
    """A task's ``error`` as it is stored and shown."""

    type: str
    message: str
    retryable: bool
    traceback: str | None = None


class Verdict(NamedTuple):
    """What a settle writes. Built only by the constructors below, one per legal outcome.

    ``status`` is never PROCESSING; ``delay`` is the backoff of a RETRYING task and zero otherwise;
    ``keeps_attempt`` is False where the run costs no attempt; ``is_crash`` counts one more crash.
    """

    status: Status
    outcome: AttemptOutcome
    result: str | None = None
    error: TaskError | None = None
    delay: timedelta = timedelta(0)
    keeps_attempt: bool = True
    is_crash: bool = False


def completed(result: str) -> Verdict:
    return Verdict(Status.COMPLETED, AttemptOutcome.COMPLETED, result=result)


def failed(error: TaskError, outcome: AttemptOutcome = AttemptOutcome.FAILED) -> Verdict:
    return Verdict(Status.FAILED, outcome, error=error)


def retried(error: TaskError, delay: timedelta, outcome: AttemptOutcome = AttemptOutcome.RETRIED) -> Verdict:
    return Verdict(Status.RETRYING, outcome, error=error, delay=delay)


def cancelled() -> Verdict:
    return Verdict(Status.CANCELLED, AttemptOutcome.CANCELLED)


def released() -> Verdict:
    return Verdict(Status.RETRYING, AttemptOutcome.RELEASED, keeps_attempt=False)


def deferred(error: TaskError, delay: timedelta) -> Verdict:
    """It came too early: given back as on a stop, with the reason, and not before ``delay``."""
    return Verdict(Status.RETRYING, AttemptOutcome.RELEASED, error=error, delay=delay, keeps_attempt=False)


def crashed() -> Verdict:
    """Again at once, alone in a process, and it costs no attempt: perhaps the task was a bystander."""
    return Verdict(Status.RETRYING, AttemptOutcome.LOST, keeps_attempt=False, is_crash=True)


def poisoned(message: str) -> Verdict:
    """Its own process died under it too often: this task kills whoever runs it."""
    error = TaskError("poison", f"{message} That was crash number {MOST_CRASHES}.", retryable=False)
    return Verdict(Status.FAILED, AttemptOutcome.LOST, error=error, is_crash=True)


class Attempted(NamedTuple):
    """Where a task stands: the ``attempt``-th of at most ``max_attempts``, after ``crashes`` of its process."""

    attempt: int
    max_attempts: int
    crashes: int = 0


def decide(at: Attempted, outcome: Outcome, policy: RetryPolicy, *, jitter: float, scale: float = 1.0) -> Verdict:
    """What becomes of a task whose run came to ``outcome``.

    ``jitter`` lies in [0, 1); ``scale`` multiplies the policy's backoff, never a delay that a
    handler or a provider asked for by name.
    """
    match outcome:
        case Succeeded(result):
            return _completed_if_it_fits(result)
        case CancelHonoured():
            return cancelled()
        case Interrupted():
            return released()
        case Crashed(message):
            return poisoned(message) if at.crashes + 1 >= MOST_CRASHES else crashed()
        case TimedOut(timeout):
            facts = Failed(
                type="TimeoutError",
                message=f"The task did not end within its {timeout:g} s.",
                lineage=(qualified_name(TimeoutError), qualified_name(OSError), qualified_name(Exception)),
            )
            return _after_failure(at, facts, policy, AttemptOutcome.TIMED_OUT, jitter, scale)
        case Failed():
            return _after_failure(at, outcome, policy, None, jitter, scale)
        case _:
            assert_never(outcome)


def _completed_if_it_fits(result: str) -> Verdict:
    if len(result.encode()) > RESULT_LIMIT_BYTES:
        message = f"The result is larger than {RESULT_LIMIT_BYTES} bytes: write it to a file and return its id."
        return failed(TaskError("result_too_large", message, retryable=False))
    return completed(result)


def _after_failure(
    at: Attempted,
    facts: Failed,
    policy: RetryPolicy,
    outcome: AttemptOutcome | None,
    jitter: float,
    scale: float,
) -> Verdict:
    if facts.is_free:
        error = TaskError(facts.type, facts.message, retryable=True)
        return deferred(error, _bounded(facts.retry_after or timedelta(0)))
    delay = _delay(at, facts, policy, jitter, scale)
    error = TaskError(facts.type, facts.message, retryable=delay is not None, traceback=facts.traceback)
    if delay is None or at.attempt >= at.max_attempts:
        return failed(error, outcome or AttemptOutcome.FAILED)
    return retried(error, _bounded(delay), outcome or AttemptOutcome.RETRIED)


def _bounded(delay: timedelta) -> timedelta:
    return min(max(delay, timedelta(0)), LONGEST_DELAY)


def _delay(at: Attempted, facts: Failed, policy: RetryPolicy, jitter: float, scale: float) -> timedelta | None:
    """The wait before another attempt, or None where the failure is final whatever the count."""
    if facts.is_fatal:
        return None
    if facts.is_deferral:
        return facts.retry_after or timedelta(0)
    wait = backoff_of(policy, facts).delay(at.attempt, jitter)
    if wait is None:
        return None
    scaled = wait * scale
    # A provider that says when to come back knows better than our curve, but never hurries us.
    return max(scaled, facts.retry_after) if facts.retry_after else scaled
