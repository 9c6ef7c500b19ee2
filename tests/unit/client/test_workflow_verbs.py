"""Workflows put together by the client, and what it asks about them, over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.client import (
    AsyncClient,
    Client,
    ConflictError,
    WorkflowFailed,
    WorkflowTimedOut,
    chain,
    group,
    patience,
    result_of,
    step,
)
from service.client.workflows import Part, tasks_of
from tests.support.fake_api import FakeApi

URL = "/api/v1/workflows"
PROGRESS = {"percent": 0.0, "total": 2, "done": 0, "completed": 0, "failed": 0, "cancelled": 0}
NODE = {"status": "PENDING", "type": "t", "after": [], "on_failure": "cancel", "task": "t1", "attempt": 0}


def view(status: str = "PENDING", **given: Any) -> dict[str, Any]:
    return {"id": "w1", "name": None, "status": status, "progress": PROGRESS, "nodes": {"a": NODE}, **given}


def after(part: Part) -> dict[str, list[str]]:
    return {name: task.get("after", []) for name, task in tasks_of(part).items()}


def test_a_chain_runs_one_after_the_other_and_a_group_side_by_side() -> None:
    a, b, c, d = (step("t", name=name) for name in "abcd")
    assert after(chain(a, b, c)) == {"a": [], "b": ["a"], "c": ["b"]}
    assert after(group(a, b)) == {"a": [], "b": []}
    assert after(chain(a, group(b, c), d)) == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    assert after(group(chain(a, b), chain(c, d))) == {"a": [], "b": ["a"], "c": [], "d": ["c"]}
    assert after(chain(group(a, chain(b, c)), d)) == {"a": [], "b": [], "c": ["b"], "d": ["a", "c"]}


def test_empty_parts_change_nothing() -> None:
    assert after(chain(step("a"), chain(), group(), step("b"))) == {"a": [], "b": ["a"]}
    assert tasks_of(chain()) == {}


def test_a_step_carries_what_its_task_takes() -> None:
    given = step("t", {"x": result_of("a", "/rows")}, on_failure="continue", priority=3, tags=["x"], queue=None)
    assert tasks_of(chain(step("s", name="a"), given))["t"] == {
        "type": "t",
        "input": {"x": {"$from": "a", "path": "/result/rows"}},
        "priority": 3,
        "tags": ["x"],
        "after": ["a"],
        "on_failure": "continue",
    }


def test_steps_without_a_name_are_called_after_their_type() -> None:
    assert list(tasks_of(group(step("t"), step("t"), step("t", name="t-2"), step("u")))) == ["t", "t-3", "t-2", "u"]
    with pytest.raises(ValueError, match="'a'"):
        tasks_of(group(step("t", name="a"), step("u", name="a")))


def test_a_workflow_is_submitted_read_cancelled_and_retried(api: FakeApi, client: Client) -> None:
    api.answer("POST", URL, 201, view())
    api.answer("GET", f"{URL}/w1", 200, view("COMPLETED"))
    api.answer("POST", f"{URL}/w1/cancel", 202, view("PROCESSING", cancel_requested=True))
    api.answer("POST", f"{URL}/w1/retry", 200, view(generation=2))
    api.answer("GET", f"{URL}/w1/deliveries", 200, {"data": []})
    made = client.submit_workflow(chain(step("t"), step("u")), name="n", callback_url="https://a.example/")
    assert api.requests[-1].json == {
        "tasks": {"t": {"type": "t", "input": {}}, "u": {"type": "u", "input": {}, "after": ["t"]}},
        "name": "n",
        "callback_url": "https://a.example/",
    }
    assert "idempotency-key" in api.requests[-1].headers
    assert (made.id, made.nodes["a"].status, made.progress.total) == ("w1", "PENDING", 2)
    client.submit_workflow({"a": {"type": "t", "input": {}}})
    assert api.requests[-1].json == {"tasks": {"a": {"type": "t", "input": {}}}}
    assert client.workflow("w1").is_completed
    assert client.cancel_workflow("w1").cancel_requested
    assert client.retry_workflow("w1").generation == 2
    assert client.workflow_deliveries("w1") == []
    api.refuse("POST", f"{URL}/w2/retry", 409, "conflict")
    with pytest.raises(ConflictError):
        client.retry_workflow("w2")


def test_waiting_ends_with_the_workflow_or_the_time(api: FakeApi, client: Client) -> None:
    failed = {**NODE, "status": "FAILED", "error": {"type": "ValueError", "message": "no"}}
    api.answer("GET", f"{URL}/w1", 200, view("FAILED", nodes={"bad": failed}))
    assert client.wait_workflow("w1", 5).status == "FAILED"
    with pytest.raises(WorkflowFailed, match="ended FAILED: bad"):
        client.wait_workflow("w1", 5, check=True)
    api.answer("GET", f"{URL}/w2", 200, view("PROCESSING"))
    with pytest.raises(WorkflowTimedOut) as caught:
        client.wait_workflow("w2", 0.05)
    assert caught.value.workflow.status == "PROCESSING"


def test_a_service_that_restarts_meanwhile_is_waited_for(
    api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LATEST_LOOK", 0.01)
    api.answer_once("GET", f"{URL}/w1", 200, json.dumps(view("PROCESSING")).encode())
    api.refuse("GET", f"{URL}/w1", 503, times=3)
    api.answer("GET", f"{URL}/w1", 200, view("COMPLETED"))
    assert client.wait_workflow("w1", 30).is_completed


async def test_the_list_goes_on_to_its_last_page(api: FakeApi, async_client: AsyncClient) -> None:
    api.answer("GET", URL, 200, {"data": [view(), view("COMPLETED")], "next_cursor": None})
    assert [one.status async for one in async_client.workflows()] == ["PENDING", "COMPLETED"]
