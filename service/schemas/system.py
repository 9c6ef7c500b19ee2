"""Bodies of the routes about the system itself: task types, workers, health."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from service.schemas.base import JsonObject, View


class TaskTypeView(View):
    """A type of task that can be submitted."""

    name: str = Field(description="What `type` of a task is to be.")
    description: str = Field(description="What it does.")
    queue: str = Field(description="Where its tasks wait unless they name another queue.")
    timeout: float = Field(description="Seconds that one attempt may take, unless the task says otherwise.")
    max_attempts: int = Field(description="How many attempts there are at most, unless the task says otherwise.")
    concurrency: int | None = Field(description="How many run at once over all workers; null: no limit.")
    rate: str | None = Field(description="How many start in a time, such as `100/m`; null: no limit.")
    retry: JsonObject = Field(description="When another attempt follows, and after how many seconds.")
    input_schema: JsonObject = Field(description="JSON Schema of its input.")
    output_schema: JsonObject = Field(description="JSON Schema of its result.")


class TaskTypeList(View):
    """The types that this service knows."""

    data: list[TaskTypeView] = Field(description="By name.")


class PoolView(View):
    """Database connections: kept, and opened beyond them under load."""

    size: int = Field(description="Kept open.")
    overflow: int = Field(description="More, under load.")


class WorkerView(View):
    """A worker whose heart beats."""

    id: UUID = Field(description="Of this life of the process: after a restart it has another.")
    hostname: str = Field(description="The machine it runs on.")
    pid: int = Field(description="Its process there.")
    state: str = Field(description="`running` or `draining`.")
    queues: list[str] = Field(description="The queues it serves, first to last.")
    concurrency: int = Field(description="How many tasks it runs at once.")
    running: list[UUID] = Field(description="The ids of the caller's tasks that it runs.")
    heartbeat_age: float = Field(description="Seconds since its last heartbeat.")
    started_at: datetime = Field(description="When it started.")
    version: str = Field(description="Of the service it runs.")
    types: list[str] = Field(description="The task types it can run.")
    missing: dict[str, str] = Field(description="Types it cannot run, and what it lacks for each.")
    pool: PoolView = Field(description="Its database connections.")


class WorkerList(View):
    """The workers that live."""

    data: list[WorkerView] = Field(description="Each once.")


class LiveView(View):
    """The process answers."""

    status: Literal["ok"] = Field(description="It is alive.")


class ComponentView(View):
    """Something that the service stands on."""

    status: Literal["ok", "down", "not_migrated"] = Field(
        description="`not_migrated`: the schema of the database is not the one this code needs."
    )


class ComponentsView(View):
    """What the service stands on."""

    database: ComponentView = Field(description="PostgreSQL: without it nothing can be served.")
    broker: ComponentView = Field(description="Redis: without it the service is slower.")


class ReadyView(View):
    """Whether requests can be served."""

    status: Literal["ok", "degraded", "unavailable"] = Field(
        description="`degraded`: without Redis; `unavailable`: without PostgreSQL."
    )
    components: ComponentsView = Field(description="Each by itself.")


class WorkersSeen(View):
    """How many workers there are, and should be."""

    seen: int = Field(description="Whose heart beats.")
    expected: int | None = Field(description="`TASKRUNNER_EXPECTED_WORKERS`; null where it is unset.")


class QueueAge(View):
    """What is due in a queue."""

    waiting: int = Field(description="Tasks that are due, and not started.")
    oldest_age: float = Field(description="Seconds since the longest waiting one was due.")
    is_lower_bound: bool = Field(description="There are so many that they were not all counted.")


class DatabaseView(ComponentView):
    """PostgreSQL, in detail."""

    version: str | None = Field(default=None, description="Its version; null where it did not answer.")
    revision: str | None = Field(default=None, description="The migration it stands at.")
    max_connections: int | None = Field(default=None, description="How many connections it takes.")
    pool: PoolView = Field(description="Those of this process.")


class BrokerView(ComponentView):
    """Redis, in detail."""

    version: str | None = Field(default=None, description="Its version; null where it did not answer.")
    eviction_policy: str | None = Field(
        default=None, description="What it does when it is full: `noeviction` is wanted."
    )


class DetailedComponentsView(View):
    """What the service stands on, in detail."""

    database: DatabaseView = Field(description="PostgreSQL.")
    broker: BrokerView = Field(description="Redis.")


class HealthView(View):
    """The service as a whole."""

    status: Literal["ok", "degraded", "unavailable"] = Field(description="As `/health/ready` says it.")
    components: DetailedComponentsView = Field(description="What it stands on.")
    versions: dict[str, str] = Field(description="Of the service, and of Python.")
    workers: WorkersSeen = Field(description="Those that live, and how many should.")
    queues: dict[str, QueueAge] = Field(description="By name, those in which something is due.")
