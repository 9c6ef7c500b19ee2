"""Bodies of statistics and configuration."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from service.schemas.base import JsonObject, View

SHARE = "Of those that completed or failed, how many completed; null: none did either."


class CountsView(View):
    """Tasks created in the window, by how they stand."""

    submitted: int
    completed: int
    failed: int
    cancelled: int
    retried: int = Field(description="Took more than one attempt.")
    rate: float = Field(description="Submitted a second.")
    success_share: float | None = Field(description=SHARE)


class PercentilesView(View):
    """Seconds; null without samples."""

    p50: float | None
    p95: float | None
    p99: float | None


class StatsItem(CountsView):
    type: str
    queue: str
    wait: PercentilesView = Field(description="From due to started.")
    run: PercentilesView = Field(description="Of the last attempt.")


class StatsView(View):
    window: float
    since: datetime
    until: datetime
    total: CountsView
    data: list[StatsItem]


class ConfigView(View):
    """The settings in force in the process that answers."""

    data: JsonObject = Field(description="By the name of the variable; secrets are masked.")
