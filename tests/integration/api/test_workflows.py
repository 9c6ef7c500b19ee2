"""Workflows over REST: submitted, read, listed, cancelled, retried; and what is refused, with its place."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from service.schemas.workflows import REPORT, WorkflowPage, WorkflowView
from shared.queue.stores import Stores
from tests.integration.api.conftest import SUM, assert_problem
from tests.support.scenes.workflows import BROKEN, run

URL = "/api/v1/workflows"


def calculation(**given: Any) -> dict[str, Any]:
    return {**SUM, "input": {**SUM["input"], **given}}


async def made(api: httpx.AsyncClient, tasks: dict[str, Any], **given: Any) -> dict[str, Any]:
    answer = await api.post(URL, json={"tasks": tasks, **given})
    assert answer.status_code == 201, answer.text
    flow: dict[str, Any] = answer.json()
    return flow


async def test_a_workflow_is_answered_whole_and_can_be_read(api: httpx.AsyncClient) -> None:
    answer = await api.post(URL, json=REPORT)
    assert answer.status_code == 201, answer.text
    WorkflowView.model_validate_json(answer.content)
    flow = answer.json()
    assert answer.headers["location"] == flow["links"]["self"] == f"{URL}/{flow['id']}"
    assert (flow["name"], flow["status"], flow["generation"]) == ("nightly", "PENDING", 1)
    assert flow["progress"] == {"percent": 0, "total": 3, "done": 0, "completed": 0, "failed": 0, "cancelled": 0}
    assert list(flow["nodes"]) == ["sum", "double", "report"]
    assert {name: node["status"] for name, node in flow["nodes"].items()} == {
        "sum": "PENDING",
        "double": "WAITING",
        "report": "WAITING",
    }
    assert flow["nodes"]["double"]["after"] == ["sum"]
    assert flow["nodes"]["report"]["on_failure"] == "continue"
    read = await api.get(flow["links"]["self"])
    assert read.json() == flow
    unchanged = await api.get(flow["links"]["self"], headers={"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304
    [task] = (await api.get(flow["links"]["tasks"])).json()["data"]
    assert task["id"] == flow["nodes"]["sum"]["task"]
    assert task["metadata"] == {"workflow_id": flow["id"], "workflow_node": "sum"}


@pytest.mark.parametrize(
    ("tasks", "code", "pointer"),
    [
        ({}, "validation_error", "/tasks"),
        ({"a": {**SUM, "after": ["b"]}}, "validation_error", "/tasks/a/after/0"),
        ({"a": {**SUM, "after": ["b"]}, "b": {**SUM, "after": ["a"]}}, "validation_error", "/tasks/a/after/0"),
        ({"a": calculation(a={"$from": "b"})}, "validation_error", "/tasks/a/input/a"),
        ({"a": SUM, "b": calculation(a={"$from": "a", "path": "x"})}, "validation_error", "/tasks/b/input/a"),
        ({"a": SUM, "b": calculation(a={"$from": "a"}, b="x")}, "validation_error", "/tasks/b/input/b"),
        ({"a": SUM, "b": calculation(a={"$from": "a"}, c=1)}, "validation_error", "/tasks/b/input/c"),
        (
            {"a": SUM, "b": {"type": SUM["type"], "input": {"a": {"$from": "a"}}}},
            "validation_error",
            "/tasks/b/input/b",
        ),
        ({"a": {**SUM, "type": "nothing"}}, "unknown_task_type", "/tasks/a/type"),
        ({"a": {**SUM, "queue": "nowhere"}}, "validation_error", "/tasks/a/queue"),
        ({"a": {**SUM, "on_failure": "maybe"}}, "validation_error", "/tasks/a/on_failure"),
        ({"a": {**SUM, "surplus": 1}}, "validation_error", "/tasks/a/surplus"),
        ({"a": {**SUM, "after": "b"}}, "validation_error", "/tasks/a/after"),
        ({"a b": SUM}, "validation_error", "/tasks/a b"),
        ({"a": {**SUM, "callback_url": "http://10.0.0.1/"}}, "validation_error", "/tasks/a/callback_url"),
    ],
    ids=str,
)
async def test_what_cannot_be_run_is_refused_with_its_place(
    api: httpx.AsyncClient, tasks: dict[str, Any], code: str, pointer: str
) -> None:
    assert_problem(await api.post(URL, json={"tasks": tasks}), 422, code, pointer)


async def test_what_is_known_of_an_input_with_references_is_all_that_is_judged(api: httpx.AsyncClient) -> None:
    await made(api, {"a": SUM, "b": calculation(a={"$from": "a", "path": "/result/result"})})
    await made(api, {"a": SUM, "b": {"type": SUM["type"], "input": {"$from": "a"}}})
    rows = {"type": "data_processing", "input": {"rows": {"$from": "a"}, "operations": [{"op": "limit", "n": 1}]}}
    await made(api, {"a": SUM, "b": rows})


async def test_callbacks_to_private_addresses_and_unknown_fields_are_refused(api: httpx.AsyncClient) -> None:
    refused = await api.post(URL, json={"tasks": {"a": SUM}, "callback_url": "http://127.0.0.1/"})
    assert_problem(refused, 422, "validation_error", "/callback_url")
    assert_problem(await api.post(URL, json={"tasks": {"a": SUM}, "x": 1}), 422, "validation_error", "/x")


async def test_more_than_ten_thousand_nodes_are_refused_and_ten_thousand_taken(api: httpx.AsyncClient) -> None:
    nodes: dict[str, Any] = {f"n{n}": {**SUM, "after": ["n0"]} if n else SUM for n in range(10_000)}
    body = json.dumps({"tasks": nodes})
    assert len(body) > 1_048_576
    answer = await api.post(URL, content=body, headers={"content-type": "application/json"}, timeout=60)
    assert answer.status_code == 201, answer.text[:500]
    assert answer.json()["progress"]["total"] == 10_000
    nodes["more"] = SUM
    body = json.dumps({"tasks": nodes})
    refused = await api.post(URL, content=body, headers={"content-type": "application/json"}, timeout=60)
    assert_problem(refused, 422, "validation_error", "/tasks")


async def test_an_idempotency_key_makes_one_workflow(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.post(URL, json=REPORT, headers=headers)
    again = await api.post(URL, json=REPORT, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert_problem(await api.post(URL, json={**REPORT, "name": "x"}, headers=headers), 422, "idempotency_key_reused")
    assert len((await api.get(URL)).json()["data"]) == 1


async def test_the_list_is_paged_newest_first_without_nodes(api: httpx.AsyncClient) -> None:
    ids = [(await made(api, {"a": SUM}))["id"] for _ in range(3)]
    first = await api.get(f"{URL}?limit=2")
    page = WorkflowPage.model_validate_json(first.content)
    assert [str(one.id) for one in page.data] == [ids[2], ids[1]]
    assert first.links["next"]["url"].startswith(URL)
    rest = (await api.get(f"{URL}?limit=2&cursor={page.next_cursor}")).json()
    assert ([one["id"] for one in rest["data"]], rest["next_cursor"]) == ([ids[0]], None)
    assert "nodes" not in rest["data"][0]
    assert_problem(await api.get(f"{URL}?cursor=abc"), 400, "invalid_cursor")


async def test_a_cancel_and_a_retry(api: httpx.AsyncClient, stores: Stores) -> None:
    flow = await made(api, {"a": SUM, "b": {**SUM, "after": ["a"]}})
    cancelled = await api.post(flow["links"]["cancel"])
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert cancelled.headers["location"] == flow["links"]["self"]
    assert_problem(await api.post(flow["links"]["cancel"]), 409, "conflict")
    retried = await api.post(flow["links"]["retry"])
    assert (retried.status_code, retried.json()["generation"]) == (200, 2)
    assert_problem(await api.post(flow["links"]["retry"]), 409, "conflict")
    assert_problem(await api.post(flow["links"]["retry"], json={"x": 1}), 422, "validation_error")
    await run(stores, UUID(flow["id"]), a=BROKEN)
    ended = (await api.get(flow["links"]["self"])).json()
    assert (ended["status"], ended["progress"]["percent"]) == ("FAILED", 100)
    assert ended["nodes"]["a"]["error"] == {"type": "ValueError", "message": "it broke", "retryable": False}
    assert ended["nodes"]["b"]["task"] is None


async def test_a_running_node_makes_the_cancel_a_request(api: httpx.AsyncClient, stores: Stores) -> None:
    flow = await made(api, {"a": SUM})
    async with stores.db.autocommit() as session:
        await session.execute(text("UPDATE tasks SET status = 'PROCESSING', lease = gen_random_uuid()"))
    answer = await api.post(flow["links"]["cancel"])
    assert (answer.status_code, answer.json()["cancel_requested"], answer.json()["status"]) == (202, True, "PROCESSING")


async def test_its_webhooks_are_listed_and_can_be_replayed(api: httpx.AsyncClient, stores: Stores) -> None:
    flow = await made(api, {"a": SUM}, callback_url="https://hooks.example/")
    assert (await api.get(flow["links"]["deliveries"])).json() == {"data": []}
    await run(stores, UUID(flow["id"]))
    [delivery] = (await api.get(flow["links"]["deliveries"])).json()["data"]
    assert (delivery["type"], delivery["workflow"], delivery["task"]) == ("workflow.completed", flow["id"], None)
    assert (await api.post(f"/api/v1/deliveries/{delivery['id']}/replay")).status_code == 200


async def test_what_is_not_there_or_another_tenants_is_404(api: httpx.AsyncClient, stores: Stores) -> None:
    flow = await made(api, {"a": SUM})
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"))
        await session.execute(text("UPDATE workflows SET tenant_id = 2"))
    for url in (flow["links"]["self"], f"{URL}/{UUID(int=1)}", f"{URL}/x", flow["links"]["deliveries"]):
        assert_problem(await api.get(url), 404, "not_found")
    for verb in ("cancel", "retry"):
        assert_problem(await api.post(flow["links"][verb]), 404, "not_found")
    assert (await api.get(URL)).json()["data"] == []
