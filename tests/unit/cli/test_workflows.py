"""workflows: the group of commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner
from tests.unit.client.test_workflow_verbs import NODE, URL, view

GIVEN = {"name": "n", "tasks": {"a": {"type": "t", "input": {}}}}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(GIVEN), encoding="utf-8")
    return str(path)


def test_a_workflow_is_submitted_from_a_file_or_standard_input(api: FakeApi, run: Runner, file: str) -> None:
    api.answer("POST", URL, 201, view())
    made = run("workflows", "submit", file, "-o", "id", "--idempotency-key", "k")
    assert (made.code, made.out) == (0, "w1\n")
    assert api.requests[-1].json == GIVEN
    assert api.requests[-1].headers["idempotency-key"] == "k"
    run("workflows", "submit", "-", "--name", "other", "--callback-url", "https://a.example/", stdin=json.dumps(GIVEN))
    assert api.requests[-1].json == {**GIVEN, "name": "other", "callback_url": "https://a.example/"}


@pytest.mark.parametrize(("ends", "code"), [("COMPLETED", 0), ("FAILED", 1), ("PROCESSING", 124)])
def test_waiting_tells_by_its_exit_code(api: FakeApi, run: Runner, file: str, ends: str, code: int) -> None:
    api.answer("POST", URL, 201, view())
    api.answer("GET", f"{URL}/w1", 200, view(ends))
    ran = run("workflows", "submit", file, "--wait", "--timeout", "0.05")
    assert ran.code == code
    assert ("taskrunner workflows get w1" in ran.err) == (code == 124)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"tasks": []}', '{"tasks": {}, "surplus": 1}'], ids=str)
def test_a_file_that_holds_no_workflow_is_wrong_usage(api: FakeApi, run: Runner, tmp_path: Path, text: str) -> None:
    path = tmp_path / "flow.json"
    path.write_text(text, encoding="utf-8")
    refused = run("workflows", "submit", str(path))
    assert refused.code == 2
    assert "flow.json" in refused.err
    assert run("workflows", "submit", str(tmp_path / "nothing.json")).code == 2


def test_workflows_are_listed_shown_cancelled_and_retried(api: FakeApi, run: Runner) -> None:
    failed = {**NODE, "status": "FAILED", "after": ["b"], "error": {"type": "ValueError", "message": "no"}}
    api.answer("GET", URL, 200, {"data": [view("PROCESSING", name="nightly")], "next_cursor": None})
    api.answer("GET", f"{URL}/w1", 200, view("FAILED", nodes={"bad": failed}))
    api.answer("POST", f"{URL}/w1/cancel", 202, view("PROCESSING"))
    api.answer("POST", f"{URL}/w1/retry", 200, view())
    listed = run("workflows", "list").out
    assert "nightly" in listed
    assert "0 of 2" in listed
    assert "ValueError: no" in run("workflows", "get", "w1").out
    assert run("workflows", "get", "w1", "-o", "json").json["nodes"]["bad"]["status"] == "FAILED"
    assert run("workflows", "cancel", "w1", "-o", "id").out == "w1\n"
    assert run("workflows", "retry", "w1", "-o", "id").out == "w1\n"
    api.refuse("GET", f"{URL}/w2", 404, "not_found")
    assert run("workflows", "get", "w2").code == 3
