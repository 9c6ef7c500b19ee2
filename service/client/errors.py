"""Every error the client raises.

    ClientError                   also raised itself, for a wrong address or key
    ├── Unreachable               no connection, or none that held until the answer
    ├── UnexpectedAnswer          something answered, but not as this service does
    ├── WaitTimedOut              (also a TimeoutError) ``task`` was not final in time
    ├── OperationTimedOut         (also a TimeoutError) ``operation`` was not over in time
    ├── TaskFailed                ``wait(check=True)`` met a task that ended FAILED or CANCELLED
    ├── WorkflowTimedOut          (also a TimeoutError) ``workflow`` was not final in time
    ├── WorkflowFailed            ``wait_workflow(check=True)`` met one that ended FAILED or CANCELLED
    └── ProblemError              the service refused: status, code, detail, errors, request_id
        ├── Unauthorized          401  the key is absent or wrong
        ├── Forbidden             403  the key's scope does not reach this
        ├── NotFound              404  nothing here has this id
        ├── ConflictError         409  the state forbids it
        ├── ValidationFailed      422  ``errors`` names each wrong field by its JSON pointer
        ├── RateLimited           429  ``retry_after`` seconds until the key may ask again
        └── ServiceUnavailable    503  the service runs, what it stands on does not; 502, 504: a proxy has lost it

No class here knows httpx: the senders translate what it raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.client.models import Operation, Task
    from service.client.workflow_models import Workflow

NOTHING_LISTENS = "nothing listens there"
"""The reason of ``Unreachable`` where no process has the port."""


class ClientError(Exception):
    """Base of all."""


class Unreachable(ClientError):
    """The service did not answer.

    ``may_have_arrived`` is False only where the request provably never left this machine.
    """

    def __init__(self, url: str, reason: str, *, may_have_arrived: bool) -> None:
        super().__init__(f"cannot reach {url}: {reason}")
        self.url = url
        self.reason = reason
        self.may_have_arrived = may_have_arrived


class UnexpectedAnswer(ClientError):
    """The answer is not one this service gives."""


class WaitTimedOut(ClientError, TimeoutError):
    """The task was not final in time; it goes on without us."""

    def __init__(self, task: Task, timeout: float) -> None:
        super().__init__(f"task {task.id} is still {task.status} after {timeout:g} s")
        self.task = task


class OperationTimedOut(ClientError, TimeoutError):
    """The operation was not over in time; it goes on without us."""

    def __init__(self, operation: Operation, timeout: float) -> None:
        super().__init__(f"operation {operation.id} is still {operation.state} after {timeout:g} s")
        self.operation = operation


class TaskFailed(ClientError):
    """The task ended without a result."""

    def __init__(self, task: Task) -> None:
        reason = f": {task.error.type}: {task.error.message}" if task.error else ""
        super().__init__(f"task {task.id} ended {task.status}{reason}")
        self.task = task


class WorkflowTimedOut(ClientError, TimeoutError):
    """The workflow was not final in time; it goes on without us."""

    def __init__(self, workflow: Workflow, timeout: float) -> None:
        super().__init__(f"workflow {workflow.id} is still {workflow.status} after {timeout:g} s")
        self.workflow = workflow


class WorkflowFailed(ClientError):
    """The workflow ended, and not every node of it completed."""

    def __init__(self, workflow: Workflow) -> None:
        failed = ", ".join(name for name, node in workflow.nodes.items() if node.status == "FAILED")
        super().__init__(f"workflow {workflow.id} ended {workflow.status}{f': {failed}' if failed else ''}")
        self.workflow = workflow


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field the service would not take. ``pointer`` is RFC 6901, into the body."""

    pointer: str
    detail: str


@dataclass(eq=False)
class ProblemError(ClientError):
    """An RFC 9457 problem document. ``title`` is the kind of problem, ``detail`` this one."""

    status: int
    code: str
    detail: str
    title: str = ""
    errors: tuple[FieldError, ...] = ()
    request_id: str | None = None
    retry_after: float | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        told = f"{self.detail} ({self.status} {self.code})"
        return "; ".join([told, *(f"{e.pointer or '/'}: {e.detail}" for e in self.errors if e.detail not in told)])


class Unauthorized(ProblemError):
    """401."""


class Forbidden(ProblemError):
    """403."""


class NotFound(ProblemError):
    """404."""


class ConflictError(ProblemError):
    """409."""


class ValidationFailed(ProblemError):
    """422."""


class RateLimited(ProblemError):
    """429."""


class ServiceUnavailable(ProblemError):
    """503; and 502 and 504, of a proxy that does not reach the service."""


BY_STATUS: dict[int, type[ProblemError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: ConflictError,
    422: ValidationFailed,
    429: RateLimited,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}
