"""What can be asked about workflows: flows for both clients, as in ``verbs``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import Any
from urllib.parse import quote

from service.client.calls import Call, Feed, Flow, Pause, Reply, exchange, new_key
from service.client.errors import WorkflowFailed, WorkflowTimedOut
from service.client.models import Delivery, Page
from service.client.paging import listed
from service.client.patience import LATEST_LOOK, LONGEST_OUTAGE, patiently
from service.client.workflow_models import Workflow
from service.client.workflows import Chain, Group, Step, tasks_of

WORKFLOWS = "/api/v1/workflows"
SOONEST_LOOK = 0.1
"""Seconds between two looks of ``wait_workflow``: slower as time goes by."""
PATIENCE = 25.0
"""Seconds beyond the client's time-out: one may have thousands of nodes."""


def submit_workflow(
    tasks: Step | Chain | Group | Mapping[str, Mapping[str, Any]],
    *,
    name: str | None = None,
    callback_url: str | None = None,
    idempotency_key: str | None = None,
) -> Flow[Workflow]:
    """Submit a workflow: made with ``chain``, ``group`` and ``step``, or tasks by name as the API takes them."""
    given = tasks_of(tasks) if isinstance(tasks, (Step, Chain, Group)) else {n: dict(t) for n, t in tasks.items()}
    told = {"name": name, "callback_url": callback_url}
    body = {"tasks": given, **{key: value for key, value in told.items() if value is not None}}
    headers = {"Idempotency-Key": idempotency_key or new_key()}
    return exchange(Call("POST", WORKFLOWS, _workflow, json=body, headers=headers, patience=PATIENCE))


def workflow(workflow_id: str) -> Flow[Workflow]:
    """A workflow with its nodes, as they stand."""
    return exchange(Call("GET", _path(workflow_id), _workflow))


def workflows(*, page_size: int = 50) -> Feed[Workflow]:
    """Workflows without their nodes, newest first, for as long as the caller reads on."""
    return listed(WORKFLOWS, Workflow, page_size=page_size)


def wait_workflow(workflow_id: str, timeout: float | None = None, *, check: bool = False) -> Flow[Workflow]:
    """Look again and again until the workflow is final. A service that restarts meanwhile is waited for.

    Raises:
        WorkflowTimedOut: it was not, ``timeout`` seconds on. WorkflowFailed: with ``check``, it did not complete.
    """
    ends_at = math.inf if timeout is None else monotonic() + timeout
    pause, outage = SOONEST_LOOK, 0.0
    while True:
        found = yield from patiently(lambda: workflow(workflow_id), min(outage, ends_at - monotonic()))
        outage = LONGEST_OUTAGE
        if found.is_final:
            if check and not found.is_completed:
                raise WorkflowFailed(found)
            return found
        if timeout is not None and monotonic() >= ends_at:
            raise WorkflowTimedOut(found, timeout)
        yield Pause(min(pause, max(0.0, ends_at - monotonic())))
        pause = min(LATEST_LOOK, pause * 1.25)


def cancel_workflow(workflow_id: str) -> Flow[Workflow]:
    """Cancel what waits, ask what runs to stop. Raises: ConflictError, where it is final."""
    return exchange(Call("POST", _path(workflow_id, "cancel"), _workflow, patience=PATIENCE))


def retry_workflow(workflow_id: str) -> Flow[Workflow]:
    """Do again what did not complete. Raises: ConflictError, unless it is FAILED or CANCELLED."""
    return exchange(Call("POST", _path(workflow_id, "retry"), _workflow, patience=PATIENCE))


def workflow_deliveries(workflow_id: str) -> Flow[list[Delivery]]:
    """The webhooks of the whole, one a generation that ended, oldest first."""
    return exchange(Call("GET", _path(workflow_id, "deliveries"), _deliveries))


def _workflow(reply: Reply) -> Workflow:
    return Workflow.model_validate_json(reply.body)


def _deliveries(reply: Reply) -> list[Delivery]:
    return Page[Delivery].model_validate_json(reply.body).data


def _path(workflow_id: str, *below: str) -> str:
    return "/".join((WORKFLOWS, quote(workflow_id, safe=""), *below))
