"""cancel, retry and delete of many tasks, and operations, as a shell sees them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

BULK = "/api/v1/tasks/bulk"
DONE: dict[str, Any] = {
    "id": "o1", "action": "retry", "state": "done", "dry_run": False, "filter": {"status": ["FAILED"]},
    "total": 4, "matched": 4, "done": 3, "skipped": {"completed": 1}, "is_lower_bound": False,
}  # fmt: skip
DRY = {**DONE, "id": None, "dry_run": True, "done": 0}


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_a_dry_run_counts(api: FakeApi, run: Runner, action: str) -> None:
    api.answer("POST", f"{BULK}/{action}", 200, {**DRY, "action": action})
    ran = run(action, "--status", "failed", "--tag", "a", "--dry-run")
    assert ran.code == 0
    assert "dry run" in ran.out
    assert "1 completed" in ran.out
    assert api.requests[-1].json == {"filter": {"status": ["FAILED"], "tag": ["a"]}, "dry_run": True}
    assert len(api.requests) == 1


def test_a_filter_asks_first_and_says_how_many(api: FakeApi, run: Runner) -> None:
    api.answer("POST", f"{BULK}/delete", 200, {**DRY, "action": "delete"})
    refused = run("delete", "--queue", "a", "--queue", "b", "--tag", "night", types="n\n")
    assert (refused.code, refused.out) == (0, "")
    assert "Delete 3 tasks with queue a or b, tag night, for good?" in refused.err
    assert "nothing was changed" in refused.err
    nobody = run("delete", "--all", stdin="y\n")
    assert nobody.code == 2
    assert "--yes" in nobody.err
    assert "Delete all 3 tasks, for good?" in nobody.err
    assert all(got.json.get("dry_run") for got in api.requests)


def test_a_filter_that_fits_nothing_is_said_and_not_asked_about(api: FakeApi, run: Runner) -> None:
    api.answer("POST", f"{BULK}/retry", 200, {**DRY, "matched": 0, "skipped": {}})
    ran = run("retry", "--status", "FAILED")
    assert (ran.code, ran.out) == (0, "")
    assert "there is no task to retry" in ran.err
    assert len(api.requests) == 1


def test_one_that_does_not_ask_does_it_at_once(api: FakeApi, run: Runner) -> None:
    api.answer("POST", f"{BULK}/retry", 200, DONE)
    ran = run("retry", "--status", "FAILED", "--yes", "-o", "json")
    assert (ran.code, ran.json["done"]) == (0, 3)
    assert run("retry", "t1", "t2", "-o", "id").out == "o1\n"
    assert api.requests[-1].json == {"ids": ["t1", "t2"]}


def test_a_long_operation_is_followed_to_its_end(api: FakeApi, run: Runner) -> None:
    api.answer("POST", f"{BULK}/cancel", 202, {**DONE, "state": "running"})
    api.answer("GET", "/api/v1/operations/o1", 200, DONE)
    ran = run("cancel", "--tag", "a", "--yes")
    assert ran.code == 0
    assert "taskrunner operations get o1" in ran.err
    assert "done" in ran.out


def test_ids_of_which_none_was_moved_are_a_failure(api: FakeApi, run: Runner) -> None:
    api.answer("POST", f"{BULK}/delete", 200, {**DONE, "done": 0, "matched": 0, "skipped": {"not_found": 1}})
    assert run("delete", "t1").code == 1


@pytest.mark.parametrize("arguments", [[], ["t1", "--tag", "a"], ["--all", "--tag", "a"], ["t1", "--all"]])
def test_what_is_not_clear_is_asked_for(api: FakeApi, run: Runner, arguments: list[str]) -> None:
    ran = run("cancel", *arguments)
    assert ran.code == 2
    assert "say which tasks" in ran.err
    assert api.requests == []


def test_operations_are_listed_read_and_cancelled(api: FakeApi, run: Runner) -> None:
    api.answer("GET", "/api/v1/operations", 200, {"data": [DONE], "next_cursor": None})
    api.answer("GET", "/api/v1/operations/o1", 200, DONE)
    api.answer("POST", "/api/v1/operations/o1/cancel", 200, {**DONE, "state": "cancelled"})
    assert run("operations", "-o", "id").out == "o1\n"
    assert "retry" in run("operations").out
    assert run("operations", "get", "o1", "-o", "json").json["done"] == 3
    assert "cancelled" in run("operations", "cancel", "o1").out
