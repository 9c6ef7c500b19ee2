"""queues, workers and inspect."""

from __future__ import annotations

import pytest

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner


def test_workers_in_every_form(api: FakeApi, run: Runner) -> None:
    assert run("workers", "-o", "json").json[0]["heartbeat_age"] == 0.4
    assert run("workers", "-o", "id").out == "w1\n"
    assert "0 of 20" in run("workers").out


def test_no_worker_is_said_with_what_to_do(api: FakeApi, run: Runner) -> None:
    api.workers.clear()
    ran = run("workers")
    assert ran.code == 0
    assert "taskrunner worker" in ran.err


def test_a_worker_is_drained_by_its_id(api: FakeApi, run: Runner) -> None:
    ran = run("workers", "drain", "w1")
    assert ran.code == 0
    assert "draining" in ran.out
    assert run("workers", "drain", "w1", "-o", "json").json["state"] == "draining"
    assert run("workers", "drain", "w2").code == 3


def test_queues_in_every_form(api: FakeApi, run: Runner) -> None:
    api.queues["demo_tasks"] |= {"paused": True, "waiting": 10_000, "is_lower_bound": True, "throughput": None}
    assert run("queues", "-o", "id").out.split() == ["urgent", "ai_processing", "demo_tasks"]
    assert run("queues", "-o", "json").json[2]["paused"] is True
    rows = {line.split()[0]: line.split() for line in run("queues").out.splitlines()}
    assert rows["demo_tasks"] == ["demo_tasks", "paused", "10000+", "1+", "2", "1.2", "s"]
    assert rows["urgent"] == ["urgent", "3", "1", "2", "1.2", "s", "41.5"]


@pytest.mark.parametrize(("verb", "paused"), [("pause", True), ("resume", False)])
def test_a_queue_is_paused_and_resumed(api: FakeApi, run: Runner, verb: str, paused: bool) -> None:
    api.queues["demo_tasks"]["paused"] = not paused
    assert run("queues", verb, "demo_tasks", "-o", "json").json["paused"] is paused
    assert api.queues["demo_tasks"]["paused"] is paused
    assert run("queues", verb, "nobody").code == 3


def test_a_purge_asks_first(api: FakeApi, run: Runner) -> None:
    for _ in range(3):
        api.add({"type": "simple_calculation"})
    refused = run("queues", "purge", "demo_tasks", types="n\n")
    assert (refused.code, refused.out) == (0, "")
    assert "Cancel 3 waiting tasks of the queue demo_tasks?" in refused.err
    assert "nothing was changed" in refused.err
    assert {task["status"] for task in api.tasks.values()} == {"PENDING"}
    done = run("queues", "purge", "demo_tasks", types="y\n")
    assert (done.code, done.out) == (0, "cancelled 3 in demo_tasks\n")
    empty = run("queues", "purge", "demo_tasks", types="y\n")
    assert (empty.code, "nothing waits in demo_tasks" in empty.err) == (0, True)


def test_a_purge_reads_no_pipe_for_an_answer(api: FakeApi, run: Runner) -> None:
    api.add({"type": "simple_calculation"})
    nobody = run("queues", "purge", "demo_tasks", stdin="y\n")
    assert (nobody.code, nobody.out) == (2, "")
    assert "say --yes" in nobody.err
    assert "Cancel 1 waiting task of the queue demo_tasks?" in nobody.err
    assert {task["status"] for task in api.tasks.values()} == {"PENDING"}


def test_a_purge_that_only_counts_and_one_that_does_not_ask(api: FakeApi, run: Runner) -> None:
    for _ in range(3):
        api.add({"type": "simple_calculation"})
    tried = run("queues", "purge", "demo_tasks", "--dry-run")
    assert (tried.code, tried.out) == (0, "would cancel 3 in demo_tasks\n")
    done = run("queues", "purge", "demo_tasks", "--yes", "-o", "json").json
    assert (done["cancelled"], done["has_more"]) == (3, False)
    assert run("queues", "purge", "demo_tasks", "--yes", "-o", "id").out == "demo_tasks\n"


def test_inspect_shows_what_runs(api: FakeApi, run: Runner) -> None:
    assert "nothing runs" in run("inspect", "active").err
    task = api.add({"type": "simple_calculation"})
    task["status"] = "PROCESSING"
    assert run("inspect", "active", "-o", "id").out == f"{task['id']}\n"
    assert "simple_calculation" in run("inspect", "active").out


def test_inspect_shows_what_each_worker_knows_and_lacks(api: FakeApi, run: Runner) -> None:
    api.workers[0] |= {"types": ["simple_calculation"], "missing": {"image_analysis": "the extra [image]"}}
    table = run("inspect", "registered").out
    assert "simple_calculation" in table
    assert "the extra [image]" in table
    assert run("inspect", "registered", "-o", "json").json == [
        {"worker": "w1", "types": ["simple_calculation"], "missing": {"image_analysis": "the extra [image]"}}
    ]


def test_inspect_sums_up(api: FakeApi, run: Runner) -> None:
    api.queues["urgent"]["paused"] = True
    told = run("inspect", "stats", "-o", "json").json
    assert told == {
        "workers": 1,
        "draining": 0,
        "slots": 20,
        "running": 6,
        "waiting": 9,
        "delayed": 3,
        "paused": ["urgent"],
        "throughput": 124.5,
        "is_lower_bound": False,
    }
    assert "throughput" in run("inspect", "stats").out
    for queue in api.queues.values():
        queue["throughput"] = None
    assert run("inspect", "stats", "-o", "json").json["throughput"] is None


def test_inspect_alone_says_what_there_is(run: Runner) -> None:
    ran = run("inspect")
    assert "registered" in ran.out + ran.err


def test_inspect_shows_what_was_done_in_a_window(api: FakeApi, run: Runner) -> None:
    counts = {"submitted": 9, "completed": 8, "failed": 1, "rate": 0.15, "success_share": 0.888889}
    row = {"type": "simple_calculation", "queue": "demo_tasks", **counts, "wait": {"p50": 0.002}, "run": {"p50": 0.5}}
    api.answer("GET", "/api/v1/stats", 200, {"window": 60.0, "total": counts, "data": [row]})
    told = run("inspect", "stats", "--window", "60")
    assert "88.9 %" in told.out
    assert "0.500 s" in told.out
    assert api.requests[-1].query == {"window": ["60"]}
    assert run("inspect", "stats", "--window", "60", "-o", "json").json["total"]["submitted"] == 9


def test_inspect_shows_the_settings(api: FakeApi, run: Runner) -> None:
    settings = {"TASKRUNNER_CONCURRENCY": 20, "TASKRUNNER_QUEUES": ["a", "b"], "TASKRUNNER_METRICS_PUBLIC": False}
    api.answer("GET", "/api/v1/config", 200, {"data": settings})
    told = run("inspect", "conf").out
    assert "a, b" in told
    assert "false" in told
    assert run("inspect", "conf", "-o", "json").json == settings
