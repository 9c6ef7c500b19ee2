"""The system itself: which task types, in what health."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.dependencies import Reader
from service.health import Readiness, readiness
from service.schemas.system import HealthView, LiveView, ReadyView, TaskTypeList
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.domain.definition import TaskDefinition
from shared.domain.retry import describe_policy
from shared.queue.health import DatabaseState, RedisState
from shared.queue.queues import due_loads
from shared.queue.workers import live_workers
from shared.settings import Settings

router = APIRouter(tags=["system"], route_class=StrictRoute)

DISTRIBUTION = "async-ai-task-runner"
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ReadyView, "description": "PostgreSQL is not usable."}}


@router.get(
    "/api/v1/task-types",
    summary="List task types",
    response_model=TaskTypeList,
    response_description="Every type known here.",
)
async def read_task_types(caller: Reader) -> Response:
    """What can be submitted, with JSON Schemas of input and result."""
    return json_answer({"data": [_type_view(definition) for definition in caller.house.registry]})


@router.get(
    "/health/live", summary="Is the process alive", response_model=LiveView, response_description="It is alive."
)
async def read_live() -> Response:
    """Answers without asking anybody else."""
    return json_answer({"status": "ok"})


@router.get(
    "/health/ready",
    summary="Can it serve",
    response_model=ReadyView,
    response_description="It serves; `degraded` without Redis.",
    responses=NOT_READY,
)
async def read_ready(request: Request) -> Response:
    """503 without a migrated PostgreSQL; without Redis it serves, `degraded`."""
    found = await readiness(request.app.state.house.stores)
    return json_answer(_ready_view(found), 503 if found.status == "unavailable" else 200)


@router.get(
    "/health",
    summary="Health in detail",
    response_model=HealthView,
    response_description="What it stands on.",
    responses=NOT_READY,
)
async def read_health(caller: Reader) -> Response:
    """Components, versions, workers seen, and how long the oldest due task of each queue has waited."""
    stores = caller.stores
    found = await readiness(stores)
    if found.status == "unavailable":
        return json_answer(_ready_view(found), 503)
    seen = len(await live_workers(stores))
    due = await due_loads(stores, caller.tenant_id)
    return json_answer(
        {
            "status": found.status,
            "components": {
                "database": _database_view(found.database, caller.house.settings),
                "broker": _broker_view(found.broker),
            },
            "versions": {"taskrunner": version(DISTRIBUTION), "python": platform.python_version()},
            "workers": {"seen": seen, "expected": caller.house.settings.expected_workers},
            "queues": {
                name: {"waiting": load.waiting, "oldest_age": load.oldest_age, "is_lower_bound": load.is_cut}
                for name, load in due.items()
            },
        }
    )


def _ready_view(found: Readiness) -> dict[str, Any]:
    """For everybody: no version, no number."""
    components = {
        "database": {"status": _database_status(found.database)},
        "broker": {"status": "ok" if found.broker else "down"},
    }
    return {"status": found.status, "components": components}


def _database_status(found: DatabaseState | None) -> str:
    if found is None:
        return "down"
    return "ok" if found.is_migrated else "not_migrated"


def _database_view(found: DatabaseState | None, settings: Settings) -> dict[str, Any]:
    view: dict[str, Any] = {"status": _database_status(found)}
    if found is not None:
        view |= {"version": found.version, "revision": found.revision, "max_connections": found.max_connections}
    return view | {"pool": {"size": settings.api_pool_size, "overflow": settings.api_pool_overflow}}


def _broker_view(found: RedisState | None) -> dict[str, Any]:
    if found is None:
        return {"status": "down"}
    return {"status": "ok", "version": found.version, "eviction_policy": found.eviction_policy}


def _type_view(definition: TaskDefinition) -> dict[str, Any]:
    return {
        "name": definition.type,
        "description": definition.description,
        "queue": definition.queue,
        "timeout": definition.timeout,
        "max_attempts": definition.max_attempts,
        "concurrency": definition.concurrency,
        "rate": None if definition.rate is None else str(definition.rate),
        "retry": describe_policy(definition.retry),
        "input_schema": definition.input_model.model_json_schema(),
        "output_schema": definition.output_model.model_json_schema(mode="serialization"),
    }
