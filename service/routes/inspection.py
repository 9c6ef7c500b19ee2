"""What an operator looks into: statistics of a window, throughput by the minute, the settings in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.dependencies import Admin, Reader
from service.effective import effective
from service.problems import Problem
from service.schemas.inspection import ConfigView, StatsView, ThroughputView
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.domain.run import StatsRow
from shared.queue.queues import served_queues
from shared.queue.stats import minutes
from shared.queue.stats import window as stats_of

router = APIRouter(prefix="/api/v1", tags=["system"], route_class=StrictRoute)

MINUTE, HOUR, LONGEST = 60, 3_600, 31 * 86_400
Window = Annotated[int, Query(ge=1, le=LONGEST, description="Seconds up to now.")]


@router.get(
    "/stats",
    summary="Statistics of a window",
    response_model=StatsView,
    response_description="Counts and percentiles, by type and queue.",
)
async def read_stats(caller: Reader, window: Window = HOUR) -> Response:
    """The tasks created in the last `window` seconds: rates, how they ended, how long they waited and ran."""
    until = datetime.now(UTC)
    since = until - timedelta(seconds=window)
    rows = await stats_of(caller.stores, caller.tenant_id, since, until)
    total = _counts(rows, window)
    data = [_item(row, window) for row in rows]
    return json_answer({"window": float(window), "since": since, "until": until, "total": total, "data": data})


@router.get(
    "/stats/throughput",
    summary="Throughput of the last hour",
    response_model=ThroughputView,
    response_description="A point for each whole minute, oldest first.",
)
async def read_throughput(caller: Reader) -> Response:
    """How many tasks ended in each minute, retries not counted. Kept in Redis: `data` is empty while it is away."""
    queues = served_queues(caller.house.registry, caller.house.settings.queues)
    found = await minutes(caller.stores, caller.tenant_id, queues)
    points = [{"since": since, "ended": ended, "rate": round(ended / MINUTE, 3)} for since, ended in found]
    return json_answer({"step": MINUTE, "data": points})


@router.get("/config", summary="Settings in force", response_model=ConfigView, response_description="Secrets masked.")
async def read_config(caller: Admin) -> Response:
    """The settings of this API process, by the names of their variables.

    They are the service's own, so this takes a key of the tenant `default`.
    """
    if not caller.is_operator:
        raise Problem("forbidden", "The settings serve every tenant: this takes an admin key of the tenant 'default'.")
    return json_answer({"data": effective(caller.house.settings)})


def _item(row: StatsRow, window: int) -> dict[str, Any]:
    return {
        "type": row.type,
        "queue": row.queue,
        **_counts([row], window),
        "wait": {"p50": row.wait_p50, "p95": row.wait_p95, "p99": row.wait_p99},
        "run": {"p50": row.run_p50, "p95": row.run_p95, "p99": row.run_p99},
    }


def _counts(rows: Iterable[StatsRow], window: int) -> dict[str, Any]:
    rows = list(rows)
    names = ("submitted", "completed", "failed", "cancelled", "retried")
    sums = {name: sum(getattr(row, name) for row in rows) for name in names}
    ended = sums["completed"] + sums["failed"]
    share = round(sums["completed"] / ended, 6) if ended else None
    return {**sums, "rate": round(sums["submitted"] / window, 6), "success_share": share}
