"""What can be asked about schedules: flows for both clients, as in ``verbs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from service.client.calls import Call, Feed, Flow, Reply, exchange, new_key
from service.client.models import Schedule, Task
from service.client.paging import listed

SCHEDULES = "/api/v1/schedules"


class ScheduleOptions(TypedDict, total=False):
    """What may stand beside a schedule's name, type and input. Give ``cron`` or ``every`` (seconds)."""

    cron: str | None
    every: float | None
    timezone: str | None
    queue: str | None
    enabled: bool | None
    catch_up: str | None


def create_schedule(
    name: str,
    type: str,
    input: Mapping[str, Any],
    *,
    idempotency_key: str | None = None,
    **options: Unpack[ScheduleOptions],
) -> Flow[Schedule]:
    """Make a task of ``type`` at each tick. Raises: ConflictError, where the name is taken."""
    given = {name: value for name, value in options.items() if value is not None}
    body = {"name": name, "type": type, "input": dict(input), **given}
    headers = {"Idempotency-Key": idempotency_key or new_key()}
    return exchange(Call("POST", SCHEDULES, _schedule, json=body, headers=headers))


def schedule(schedule_id: str) -> Flow[Schedule]:
    """A schedule with its next and its last run."""
    return exchange(Call("GET", _path(schedule_id), _schedule))


def schedules() -> Feed[Schedule]:
    """Every schedule, newest first; the service's own maintenance last."""
    return listed(SCHEDULES, Schedule)


def change_schedule(schedule_id: str, **changes: Any) -> Flow[Schedule]:
    """Change these fields; ``enabled=False`` pauses it. Raises: ConflictError, where a new name is taken."""
    return exchange(Call("PATCH", _path(schedule_id), _schedule, json=changes))


def run_schedule(schedule_id: str, *, idempotency_key: str | None = None) -> Flow[Task]:
    """Make its task now, paused or not; its ticks go on as before."""
    headers = {"Idempotency-Key": idempotency_key or new_key()}
    return exchange(Call("POST", _path(schedule_id, "run"), _task, headers=headers))


def delete_schedule(schedule_id: str) -> Flow[None]:
    """Remove it; tasks it made stay. Raises: ConflictError, where it is built in."""
    return exchange(Call("DELETE", _path(schedule_id), _nothing))


def _schedule(reply: Reply) -> Schedule:
    return Schedule.model_validate_json(reply.body)


def _task(reply: Reply) -> Task:
    return Task.model_validate_json(reply.body)


def _nothing(reply: Reply) -> None:
    """The status says it all."""


def _path(schedule_id: str, *below: str) -> str:
    return "/".join((SCHEDULES, quote(schedule_id, safe=""), *below))
