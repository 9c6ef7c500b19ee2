"""Bulk verbs and the operations they become: flows for both clients, as in ``verbs``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any, Unpack
from urllib.parse import quote

from service.client.calls import Call, Emit, Feed, Flow, Pause, Reply, exchange, new_key
from service.client.errors import OperationTimedOut
from service.client.models import Operation
from service.client.paging import listed
from service.client.patience import LONGEST_OUTAGE, patiently
from service.client.verbs import TASKS, TaskFilters

OPERATIONS = "/api/v1/operations"
PATIENCE = 30.0
"""Seconds beyond the client's time-out: a dry run counts, and a small operation is done, before the answer."""
LOOK_SECONDS = 0.5


def cancel_many(
    ids: Iterable[str] | None = None,
    *,
    all: bool = False,
    dry_run: bool = False,
    idempotency_key: str | None = None,
    **filters: Unpack[TaskFilters],
) -> Flow[Operation]:
    """Cancel the tasks with these ``ids``, or those that match; without either, ``all`` must be said.

    The answer is over where they are few; else ``wait_operation`` waits for the workers to do the rest.
    """
    return _bulk("cancel", ids, filters, all=all, dry_run=dry_run, key=idempotency_key)


def retry_many(
    ids: Iterable[str] | None = None,
    *,
    all: bool = False,
    dry_run: bool = False,
    idempotency_key: str | None = None,
    **filters: Unpack[TaskFilters],
) -> Flow[Operation]:
    """Send FAILED and CANCELLED tasks back to PENDING; which are meant is said as in ``cancel_many``."""
    return _bulk("retry", ids, filters, all=all, dry_run=dry_run, key=idempotency_key)


def delete_many(
    ids: Iterable[str] | None = None,
    *,
    all: bool = False,
    dry_run: bool = False,
    idempotency_key: str | None = None,
    **filters: Unpack[TaskFilters],
) -> Flow[Operation]:
    """Remove final tasks, for good; which are meant is said as in ``cancel_many``."""
    return _bulk("delete", ids, filters, all=all, dry_run=dry_run, key=idempotency_key)


def operation(operation_id: str) -> Flow[Operation]:
    """How far an operation has come. Raises: NotFound."""
    return exchange(Call("GET", _path(operation_id), _operation))


def operations() -> Feed[Operation]:
    """Every operation of the last week, newest first."""
    return listed(OPERATIONS, Operation)


def watch_operation(operation_id: str) -> Feed[Operation]:
    """The operation now, then each time it has come further; ends with its end.

    A service that restarts meanwhile is waited for.
    """
    seen: Operation | None = None
    while True:
        found = yield from patiently(lambda: operation(operation_id), LONGEST_OUTAGE if seen else 0.0)
        if found != seen:
            yield Emit(found)
        if found.is_over:
            return
        seen = found
        yield Pause(LOOK_SECONDS)


def wait_operation(operation_id: str, timeout: float | None = None) -> Flow[Operation]:
    """Wait until the operation is over. A service that restarts meanwhile is waited for, too.

    Raises: OperationTimedOut, where it is not in ``timeout`` seconds.
    """
    ends_at = math.inf if timeout is None else monotonic() + timeout
    outage = 0.0
    while True:
        found = yield from patiently(lambda: operation(operation_id), min(outage, ends_at - monotonic()))
        outage = LONGEST_OUTAGE
        if found.is_over:
            return found
        left = ends_at - monotonic()
        if timeout is not None and left <= 0:
            raise OperationTimedOut(found, timeout)
        yield Pause(min(LOOK_SECONDS, left))


def cancel_operation(operation_id: str) -> Flow[Operation]:
    """End an operation where it is. Raises: NotFound; ConflictError, where it is over."""
    return exchange(Call("POST", _path(operation_id, "cancel"), _operation))


def _bulk(
    action: str, ids: Iterable[str] | None, filters: TaskFilters, *, all: bool, dry_run: bool, key: str | None
) -> Flow[Operation]:
    chosen = {name: _spelled(value) for name, value in filters.items() if value}
    body: dict[str, Any] = {"ids": list(ids)} if ids is not None else {"filter": chosen}
    if ids is not None and chosen:
        body["filter"] = chosen  # the service says what is wrong with it
    body |= {"all": True} if all else {}
    body |= {"dry_run": True} if dry_run else {}
    headers: Mapping[str, str] = {"Idempotency-Key": key or new_key()}
    return exchange(Call("POST", f"{TASKS}/bulk/{action}", _operation, json=body, headers=headers, patience=PATIENCE))


def _spelled(value: Any) -> Any:
    """A filter as JSON takes it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else list(value)


def _operation(reply: Reply) -> Operation:
    return Operation.model_validate_json(reply.body)


def _path(operation_id: str, *below: str) -> str:
    return "/".join((OPERATIONS, quote(operation_id, safe=""), *below))
