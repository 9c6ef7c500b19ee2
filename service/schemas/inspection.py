"""Bodies of statistics and configuration."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from service.schemas.base import JsonObject, View

SHARE = "Of those that completed or failed, how many completed; null: none did either."


class CountsView(View):
    """Tasks created in the window, by how they stand."""

    submitted: int = Field(description="All of them.")
    completed: int = Field(description="Of these, COMPLETED.")
    failed: int = Field(description="Of these, FAILED.")
    cancelled: int = Field(description="Of these, CANCELLED.")
    retried: int = Field(description="Took more than one attempt.")
    rate: float = Field(description="Submitted a second.")
    success_share: float | None = Field(description=SHARE)


class PercentilesView(View):
    """Seconds; null without samples."""

    p50: float | None = Field(description="The median.")
    p95: float | None = Field(description="95 of 100 took no longer.")
    p99: float | None = Field(description="99 of 100 took no longer.")


class StatsItem(CountsView):
    """The tasks of one type in one queue."""

    type: str = Field(description="The task type.")
    queue: str = Field(description="The queue.")
    wait: PercentilesView = Field(description="From due to started.")
    run: PercentilesView = Field(description="Of the last attempt.")


class StatsView(View):
    """The tasks created in a window."""

    window: float = Field(description="Its length in seconds.")
    since: datetime = Field(description="Its begin.")
    until: datetime = Field(description="Its end: the time of the answer.")
    total: CountsView = Field(description="All types and queues together.")
    data: list[StatsItem] = Field(description="By type and queue.")


class ThroughputMinute(View):
    """What one minute did."""

    since: datetime = Field(description="When the minute began.")
    ended: int = Field(description="Tasks that ended in it.")
    rate: float = Field(description="Ended a second.")


class ThroughputView(View):
    """The last hour, by the minute."""

    step: int = Field(description="Seconds of one point.")
    data: list[ThroughputMinute] = Field(description="Whole minutes, oldest first.")


class ConfigView(View):
    """The settings in force in the process that answers."""

    data: JsonObject = Field(description="By the name of the variable; secrets are masked.")
