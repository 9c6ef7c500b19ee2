"""``taskrunner bench`` measures a running service, leaves nothing waiting, and says so where it cannot."""

from __future__ import annotations

import json

from service.client import AsyncClient
from tests.e2e.conftest import Service
from tests.support.processes import Processes

SPREADS = ("pick_up", "round_trip", "submit", "end_to_end")
UNFINISHED = ("PENDING", "RETRYING", "PROCESSING")


async def test_it_measures_what_users_wait_for(service: Service, processes: Processes) -> None:
    asked = ("bench", "--tasks", "40", "--connections", "4", "-o", "json")
    bench = processes.taskrunner(*asked, env={"TASKRUNNER_URL": service.url})
    assert await bench.wait(90) == 0, bench.output
    figures = json.loads(bench.output[bench.output.index("{") :])
    assert (figures["tasks"], figures["connections"], figures["failed"]) == (40, 4, 0)
    assert figures["workers"] >= 1
    for name in SPREADS:
        assert 0 < figures[name]["p50_ms"] <= figures[name]["p99_ms"]
    assert figures["submitted_per_s"] > 0
    assert figures["finished_per_s"] > 0
    assert {"idle round trips: 20", "submit: 40", "read"} <= set(bench.lines), (
        "a line for each step, where no bar can be"
    )


async def test_what_is_not_done_in_time_is_cancelled(
    service: Service, processes: Processes, client: AsyncClient
) -> None:
    asked = ("bench", "--tasks", "10000", "--seconds", "2")
    bench = processes.taskrunner(*asked, env={"TASKRUNNER_URL": service.url})
    assert await bench.wait(90) == 124, bench.output
    assert "fewer --tasks, or more workers" in bench.output
    left = client.list(type="simple_calculation", status=UNFINISHED)
    assert [task.id async for task in left if not task.cancel_requested] == []
