"""Bulk verbs and operations, as both clients ask for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from service.client import AsyncClient, Client, ConflictError, OperationTimedOut, ServiceUnavailable, patience
from tests.support.fake_api import FakeApi

BULK = "/api/v1/tasks/bulk"
OPERATION: dict[str, Any] = {
    "id": "o1", "action": "cancel", "state": "running", "dry_run": False, "filter": {"tag": ["a"]},
    "total": 9, "matched": 4, "done": 3, "skipped": {"completed": 1}, "is_lower_bound": False,
}  # fmt: skip


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_a_bulk_verb_says_which_tasks_are_meant(api: FakeApi, client: Client, action: str) -> None:
    api.answer("POST", f"{BULK}/{action}", 200, {**OPERATION, "state": "done"})
    verb = getattr(client, f"{action}_many")
    assert verb(["t1", "t2"]).is_over
    assert api.requests[-1].json == {"ids": ["t1", "t2"]}
    assert api.requests[-1].headers["idempotency-key"]
    found = verb(status=["FAILED"], tag="a", created_after=datetime(2026, 1, 2, tzinfo=UTC), dry_run=True)
    assert api.requests[-1].json == {
        "filter": {"status": ["FAILED"], "tag": "a", "created_after": "2026-01-02T00:00:00+00:00"},
        "dry_run": True,
    }
    assert found.skipped == {"completed": 1}
    verb(all=True, idempotency_key="mine")
    assert api.requests[-1].json == {"filter": {}, "all": True}
    assert api.requests[-1].headers["idempotency-key"] == "mine"


def test_an_operation_is_read_waited_for_and_cancelled(api: FakeApi, client: Client) -> None:
    api.answer("POST", "/api/v1/operations/o1/cancel", 200, {**OPERATION, "state": "cancelled"})
    api.answer("GET", "/api/v1/operations/o1", 200, {**OPERATION, "state": "done", "matched": 9})
    assert client.operation("o1").matched == 9
    assert client.wait_operation("o1", timeout=1).state == "done"
    assert [seen.state for seen in client.watch_operation("o1")] == ["done"]
    assert client.cancel_operation("o1").state == "cancelled"


def test_an_operation_that_takes_too_long_goes_on_without_us(api: FakeApi, client: Client) -> None:
    api.answer("GET", "/api/v1/operations/o1", 200, OPERATION)
    with pytest.raises(OperationTimedOut, match="still running"):
        client.wait_operation("o1", timeout=0.01)


def test_a_service_that_restarts_meanwhile_is_waited_for(
    api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LATEST_LOOK", 0.01)
    for _ in range(2):
        api.answer_once("GET", "/api/v1/operations/o1", 200, json.dumps(OPERATION).encode())
        api.refuse("GET", "/api/v1/operations/o1", 503, times=3)
        api.answer_once("GET", "/api/v1/operations/o1", 200, json.dumps({**OPERATION, "state": "done"}).encode())
    assert client.wait_operation("o1", timeout=30).is_over
    assert [seen.state for seen in client.watch_operation("o1")] == ["running", "done"]
    api.refuse("GET", "/api/v1/operations/o1", 503)
    with pytest.raises(ServiceUnavailable):
        client.wait_operation("o1")


def test_a_refusal_to_cancel_is_a_conflict(api: FakeApi, client: Client) -> None:
    api.refuse("POST", "/api/v1/operations/o1/cancel", 409, "conflict")
    with pytest.raises(ConflictError):
        client.cancel_operation("o1")


async def test_the_same_awaited(api: FakeApi, async_client: AsyncClient) -> None:
    api.answer("POST", f"{BULK}/delete", 202, OPERATION)
    api.answer("GET", "/api/v1/operations/o1", 200, {**OPERATION, "state": "done"})
    api.answer("GET", "/api/v1/operations", 200, {"data": [OPERATION], "next_cursor": None})
    begun = await async_client.delete_many(queue="demo_tasks")
    assert (await async_client.wait_operation(begun.id or "")).is_over
    assert [one.id async for one in async_client.operations()] == ["o1"]
