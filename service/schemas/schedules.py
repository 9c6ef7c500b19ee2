"""Bodies of the schedule routes: what may be asked, and what a schedule looks like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from service.schemas.base import Inbound, JsonObject, Name, NextCursor, View
from shared.domain.timing import LONGEST_EVERY, SHORTEST_EVERY

NIGHTLY: dict[str, JsonValue] = {
    "name": "nightly-report",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "type": "generate_report",
    "input": {},
}
EVERY_MINUTE: dict[str, JsonValue] = {
    "name": "add-a-minute",
    "every": 60,
    "type": "simple_calculation",
    "input": {"a": 2, "b": 3, "operation": "add"},
    "catch_up": "skip",
}

CronText = Annotated[str, Field(min_length=1, max_length=120)]
Seconds = Annotated[float, Field(ge=SHORTEST_EVERY, le=LONGEST_EVERY, allow_inf_nan=False)]
CatchUpName = Literal["skip", "one", "all"]
CRON = "Five fields (minute, hour, day of month, month, day of week), read in `timezone`; or `@daily` and the like."
EVERY = "Seconds from tick to tick, counted from the schedule's creation. Excludes `cron`."
CATCH_UP = "What becomes of ticks missed in an outage: nothing, one task for the last, or a task each (1,000 at most)."


class ScheduleRequest(Inbound):
    """A task to make again and again. Give either `cron` or `every`; `null` means the default."""

    model_config = ConfigDict(json_schema_extra={"examples": [NIGHTLY, EVERY_MINUTE]})

    name: Name = Field(description="Of one schedule alone.")
    cron: CronText | None = Field(default=None, description=CRON)
    every: Seconds | None = Field(default=None, description=EVERY)
    timezone: Name | None = Field(default=None, description="An IANA name; UTC if null.")
    type: Name = Field(description="A name from `GET /api/v1/task-types`.")
    input: JsonObject | None = Field(default=None, description="As the task type's `input_schema` says; {} if null.")
    queue: Name | None = Field(default=None, description="The type's own if null.")
    enabled: bool | None = Field(default=None, description="false: paused. true if null.")
    catch_up: CatchUpName | None = Field(default=None, description=f"{CATCH_UP} `one` if null.")


class SchedulePatch(Inbound):
    """What to change; what is left out stays. Giving `cron` takes `every` away, and the other way round."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}, {"every": 30}]})

    name: Name | None = Field(default=None, description="Of one schedule alone.")
    cron: CronText | None = Field(default=None, description=CRON)
    every: Seconds | None = Field(default=None, description=EVERY)
    timezone: Name | None = Field(default=None, description="An IANA name.")
    type: Name | None = Field(default=None, description="A name from `GET /api/v1/task-types`.")
    input: JsonObject | None = Field(default=None, description="As the task type's `input_schema` says.")
    queue: Name | None = Field(default=None, description="null: the type's own.")
    enabled: bool | None = Field(default=None, description="false pauses it; true lets it go on with the next tick.")
    catch_up: CatchUpName | None = Field(default=None, description=CATCH_UP)

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ScheduleLinks(View):
    """Paths of what belongs to it."""

    self: str = Field(description="The schedule itself.")
    run: str = Field(description="Make its task now, by `POST`.")
    tasks: str = Field(description="The tasks it made.")


class ScheduleView(View):
    """A schedule, as it is now."""

    id: UUID = Field(description="Its id.")
    name: str = Field(description="Its name, which no other has.")
    cron: str | None = Field(description="When it ticks; null where it has `every`.")
    every: float | None = Field(description="Seconds from tick to tick; null where it has `cron`.")
    timezone: str = Field(description="The IANA name that `cron` is read in.")
    type: str = Field(description="The type of its tasks.")
    input: JsonObject = Field(description="The input of its tasks.")
    queue: str | None = Field(description="The queue of its tasks; null: the type's own.")
    enabled: bool = Field(description="false while it is paused.")
    catch_up: CatchUpName = Field(description="What becomes of ticks missed in an outage.")
    built_in: bool = Field(description="Maintenance of the service: it can be paused, not changed or deleted.")
    next_run: datetime | None = Field(description="null while it is paused.")
    last_run: datetime | None = Field(description="The last tick it made a task for.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it was last changed.")
    links: ScheduleLinks = Field(description="Where to go on.")


class SchedulePage(View):
    """A page of schedules."""

    data: list[ScheduleView] = Field(description="Newest first, those that are built in last.")
    next_cursor: NextCursor


SCHEDULE_ID = "019aa6a0-6b1c-7e2d-8f3a-4b5c6d7e8f90"
PATH = f"/api/v1/schedules/{SCHEDULE_ID}"
CREATED = "2026-03-01T12:00:00.000000Z"
SCHEDULE: dict[str, Any] = {
    "id": SCHEDULE_ID,
    **NIGHTLY,
    "every": None,
    "queue": None,
    "enabled": True,
    "catch_up": "one",
    "built_in": False,
    "next_run": "2026-03-02T01:30:00.000000Z",
    "last_run": None,
    "created_at": CREATED,
    "updated_at": CREATED,
    "links": {"self": PATH, "run": f"{PATH}/run", "tasks": "/api/v1/tasks?tag=schedule%3Anightly-report"},
}
