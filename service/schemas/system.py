"""Bodies of the routes about the system itself: task types, workers, health."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from service.schemas.base import JsonObject, View


class TaskTypeView(View):
    name: str
    description: str
    queue: str
    timeout: float
    max_attempts: int
    concurrency: int | None
    rate: str | None
    retry: JsonObject
    input_schema: JsonObject
    output_schema: JsonObject


class TaskTypeList(View):
    data: list[TaskTypeView]


class PoolView(View):
    """Database connections: kept, and opened beyond them under load."""

    size: int
    overflow: int


class WorkerView(View):
    id: UUID
    hostname: str
    pid: int
    state: str
    queues: list[str]
    concurrency: int
    running: list[UUID]
    heartbeat_age: float
    started_at: datetime
    version: str
    types: list[str]
    missing: dict[str, str]
    pool: PoolView


class WorkerList(View):
    data: list[WorkerView]


class LiveView(View):
    status: Literal["ok"]


class ComponentView(View):
    status: Literal["ok", "down", "not_migrated"]


class ComponentsView(View):
    database: ComponentView
    broker: ComponentView


class ReadyView(View):
    status: Literal["ok", "degraded", "unavailable"]
    components: ComponentsView


class WorkersSeen(View):
    seen: int
    expected: int | None


class QueueAge(View):
    waiting: int
    oldest_age: float


class DatabaseView(ComponentView):
    version: str | None = None
    revision: str | None = None
    max_connections: int | None = None
    pool: PoolView


class BrokerView(ComponentView):
    version: str | None = None
    eviction_policy: str | None = None


class DetailedComponentsView(View):
    database: DatabaseView
    broker: BrokerView


class HealthView(View):
    status: Literal["ok", "degraded", "unavailable"]
    components: DetailedComponentsView
    versions: dict[str, str]
    workers: WorkersSeen
    queues: dict[str, QueueAge]
