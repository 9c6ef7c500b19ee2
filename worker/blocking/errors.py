"""What can come of a blocking run besides a result.

HandlerFailed               the handler raised; ``facts`` say what
ChildDied                   the child process ended under the handler
ChildNotReady               a child could not be started: nothing the task did
Fatal
└── FrameTooLarge           one message for the pipe is over its limit
RunEnded                    a call through a run whose awaiting side is gone
"""

from __future__ import annotations

from shared.domain.errors import Fatal
from shared.domain.outcomes import Failed


class HandlerFailed(Exception):
    """The handler raised. All that is left of the error is ``facts``: classes don't cross processes."""

    def __init__(self, facts: Failed) -> None:
        super().__init__(f"{facts.type}: {facts.message}")
        self.facts = facts


class ChildDied(RuntimeError):
    """The child process ended while the handler ran in it."""


class ChildNotReady(RuntimeError):
    """A child process could not be started, or did not answer; no handler ran."""


class FrameTooLarge(Fatal):
    """One message between a handler and its worker is too large."""

    code = "frame_too_large"


class RunEnded(BaseException):
    """This run was given up (cancelled or timed out): the handler must stop.

    Like ``asyncio.CancelledError`` no ``Exception``, so that a handler's own ``except Exception``
    in a loop cannot keep an abandoned thread busy for ever.
    """

    def __init__(self) -> None:
        super().__init__("This run was given up or has ended: nothing can be said or asked through it any more.")
