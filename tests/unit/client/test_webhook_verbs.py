"""What the client asks about webhooks, over real HTTP."""

from __future__ import annotations

import json

import pytest

from service.client import AsyncClient, Client, ConflictError
from tests.support.fake_api import FakeApi

AT = "2026-03-01T12:00:00Z"
DELIVERY = {
    "id": "d1",
    "task": "t1",
    "generation": 1,
    "type": "task.failed",
    "url": "https://a.example/",
    "state": "waiting",
    "attempt": 1,
    "created_at": AT,
    "due_at": AT,
    "finished_at": None,
    "attempts": [{"at": AT, "status": None, "error": "no answer", "duration": 15.0}],
}
SECRET = {"secret": "whsec_new", "created_at": AT, "previous": [{"secret": "whsec_old", "expires_at": AT}]}


def test_a_callback_is_an_option_of_submit(api: FakeApi, client: Client) -> None:
    client.submit("simple_calculation", {}, callback_url="https://a.example/")
    assert api.requests[-1].json["callback_url"] == "https://a.example/"


def test_deliveries_are_read_and_replayed(api: FakeApi, client: Client) -> None:
    api.answer("GET", "/api/v1/tasks/t1/deliveries", 200, {"data": [DELIVERY]})
    api.answer("POST", "/api/v1/deliveries/d1/replay", 200, {**DELIVERY, "state": "waiting"})
    [found] = client.deliveries("t1")
    assert (found.id, found.state, found.attempts[0].status) == ("d1", "waiting", None)
    assert client.replay_delivery(found.id).id == "d1"
    assert api.requests[-1].body == b""


def test_all_deliveries_come_page_by_page(api: FakeApi, client: Client) -> None:
    pages = [{"data": [{**DELIVERY, "id": f"d{n}"}], "next_cursor": str(n) if n < 2 else None} for n in range(3)]
    for page in pages:
        api.answer_once("GET", "/api/v1/deliveries", 200, json.dumps(page).encode())
    assert [one.id for one in client.all_deliveries(state=["failed", "gone"])] == ["d0", "d1", "d2"]
    assert [got.query.get("cursor") for got in api.requests] == [None, ["0"], ["1"]]
    assert {tuple(got.query["state"]) for got in api.requests} == {("failed", "gone")}


def test_a_replay_under_way_is_a_conflict(api: FakeApi, client: Client) -> None:
    api.refuse("POST", "/api/v1/deliveries/d1/replay", 409, "conflict")
    with pytest.raises(ConflictError):
        client.replay_delivery("d1")


async def test_the_secret_is_read_and_rotated(api: FakeApi, async_client: AsyncClient) -> None:
    api.answer("GET", "/api/v1/webhooks/secret", 200, {**SECRET, "previous": []})
    api.answer("POST", "/api/v1/webhooks/secret/rotate", 200, SECRET)
    assert (await async_client.webhook_secret()).previous == []
    rotated = await async_client.rotate_webhook_secret()
    assert (rotated.secret, rotated.previous[0].secret) == ("whsec_new", "whsec_old")
