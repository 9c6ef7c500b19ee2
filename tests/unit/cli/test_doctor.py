"""What doctor finds in a healthy and in a broken service."""

from __future__ import annotations

from typing import Any

import pytest

from service.cli import findings
from service.cli.findings import Level
from service.client.models import Health, TaskType, Worker
from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Ran, Runner


def levels(ran: Ran) -> dict[str, str]:
    return {finding["name"]: finding["level"] for finding in ran.json}


def test_a_healthy_service_is_all_green(api: FakeApi, run: Runner) -> None:
    ran = run("doctor", "-o", "json")
    assert ran.code == 0
    assert set(levels(ran).values()) == {"ok"}
    assert {"reachable", "version", "database", "broker", "workers", "queues"} < levels(ran).keys()
    assert {"round trip", "stream", "file", "mail", "model"} < levels(ran).keys()
    assert not api.files


def test_each_line_has_its_mark_and_a_fix_below(api: FakeApi, run: Runner) -> None:
    api.health |= {"status": "degraded"}
    api.health["components"]["broker"] = {"status": "down"}
    ran = run("doctor")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("✓ reachable    http://")
    assert "! broker       down" in lines
    assert lines[lines.index("! broker       down") + 1].startswith("               → see that Redis")


def test_an_unmigrated_database_ends_the_examination(api: FakeApi, run: Runner) -> None:
    api.health |= {"status": "unavailable"}
    api.health["components"]["database"] = {"status": "not_migrated"}
    ran = run("doctor")
    assert ran.code == 1
    assert "taskrunner migrate" in ran.out
    assert "round trip" not in ran.out


def test_without_workers_nothing_is_submitted(api: FakeApi, run: Runner) -> None:
    api.workers.clear()
    ran = run("doctor", "-o", "json")
    assert ran.code == 1
    assert levels(ran)["workers"] == "failure"
    assert not api.tasks


def test_an_absent_service_is_a_finding(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNNER_URL", "http://127.0.0.1:9")
    ran = run("doctor")
    assert ran.code == 1
    assert "✗ reachable    cannot reach http://127.0.0.1:9: nothing listens there" in ran.out
    assert "→ start it: make up" in ran.out


def test_a_wrong_key_is_a_finding(api: FakeApi, run: Runner) -> None:
    api.refuse("GET", "/health", 401, "unauthorized", detail="A valid API key is needed.")
    ran = run("doctor")
    assert ran.code == 1
    assert "✗ access       A valid API key is needed." in ran.out
    assert "→ put a valid key into TASKRUNNER_API_KEY" in ran.out


@pytest.mark.parametrize(
    ("type_", "error", "name", "level"),
    [
        (
            "send_notification_email",
            ("Fatal", "no mail server is configured: set TASKRUNNER_SMTP_URL"),
            "mail",
            "warning",
        ),
        ("send_notification_email", ("ProviderUnavailable", "connection refused"), "mail", "failure"),
        ("text_generation", ("MissingExtra", "needs the extra 'local-ai'"), "model", "warning"),
        ("simple_calculation", ("RuntimeError", "odd"), "round trip", "failure"),
    ],
)
def test_a_failed_trial_is_a_failure_unless_it_was_never_set_up(
    api: FakeApi, run: Runner, type_: str, error: tuple[str, str], name: str, level: str
) -> None:
    told = {"type": error[0], "message": error[1], "retryable": False}
    api.steps[type_] = [{"status": "FAILED", "error": told}]
    ran = run("doctor", "-o", "json")
    assert levels(ran)[name] == level
    assert ran.code == (1 if level == "failure" else 0)


def test_a_worker_with_other_files_is_found_out(api: FakeApi, run: Runner) -> None:
    api.steps["process_file_upload"] = [{"status": "COMPLETED", "result": {"sha256": "0" * 64}}]
    ran = run("doctor")
    assert ran.code == 1
    assert "share one TASKRUNNER_STORAGE_DIR" in ran.out
    assert not api.files


def test_a_trial_that_does_not_end_says_what_it_waits_for_and_is_cancelled(api: FakeApi, run: Runner) -> None:
    waits = {"percent": 0, "message": "Waiting: no worker knows it."}
    api.steps["simple_calculation"] = [{"progress": waits}]
    ran = run("doctor", "--timeout", "1", "-o", "json")
    assert ran.code == 1
    (finding,) = [finding for finding in ran.json if finding["name"] == "round trip"]
    assert finding["detail"] == "Waiting: no worker knows it."
    assert "taskrunner queues" in finding["fix"]
    assert {task["status"] for task in api.tasks.values() if task["type"] == "simple_calculation"} == {"CANCELLED"}


def health(**database: Any) -> Health:
    return Health.model_validate({"status": "ok", "components": {"database": {"status": "ok", **database}}})


def worker(**fields: Any) -> Worker:
    return Worker.model_validate({"id": "w", "state": "running", "queues": ["q"], "concurrency": 5, **fields})


@pytest.mark.parametrize(("limit", "level"), [(60, Level.OK), (59, Level.FAILURE)])
def test_the_pools_must_fit_into_postgresql(limit: int, level: Level) -> None:
    seen = health(max_connections=limit, pool={"size": 20, "overflow": 20})
    pool = {"size": 5, "overflow": 5}
    (found,) = findings.of_pools(seen, [worker(pool=pool), worker(pool=pool)])
    assert found.level is level
    assert found.detail == f"API 40 + 2 workers 20 = 60 of PostgreSQL's {limit} connections"


def test_pools_are_not_guessed() -> None:
    assert not list(findings.of_pools(health(), [worker()]))
    assert not list(findings.of_pools(health(max_connections=100, pool={"size": 1, "overflow": 1}), [worker()]))


def test_an_evicting_redis_is_a_warning_with_the_fix() -> None:
    broker = {"broker": {"status": "ok", "eviction_policy": "allkeys-lru"}}
    first, second = findings.of_components(Health.model_validate({"status": "ok", "components": broker}))
    assert (first.level, second.level) == (Level.OK, Level.WARNING)
    assert "noeviction" in (second.fix or "")


def test_queues_and_types_nobody_serves_are_named() -> None:
    types = [TaskType(name="a", queue="q"), TaskType(name="b", queue="far")]
    workers = [worker(types=["a"], missing={"b": "needs the extra 'local-ai'"})]
    found = {finding.name: finding for finding in findings.of_workers(health(), workers, types)}
    assert found["workers"].level is Level.OK
    assert found["queues"].detail == "no worker takes from far"
    assert (found["types"].detail, found["types"].fix) == ("no worker can run b", "needs the extra 'local-ai'")


def test_too_few_or_mixed_workers_are_warnings() -> None:
    few = Health.model_validate({"status": "ok", "workers": {"seen": 1, "expected": 2}})
    assert next(findings.of_workers(few, [worker()], [])).detail == "1 alive, 5 tasks at once, 2 expected"
    mixed = next(findings.of_workers(health(), [worker(version="1"), worker(version="2")], []))
    assert (mixed.level, mixed.detail) == (Level.WARNING, "2 alive, 10 tasks at once, of different versions: 1, 2")


def test_versions_that_differ_are_a_warning() -> None:
    seen = Health.model_validate({"status": "ok", "versions": {"taskrunner": "9", "python": "3.12"}})
    assert [finding.level for finding in findings.of_versions(seen, "9")] == [Level.OK]
    assert [finding.level for finding in findings.of_versions(seen, "8")] == [Level.WARNING]
    assert not list(findings.of_versions(health(), "8"))
