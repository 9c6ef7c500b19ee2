"""webhooks: listed by state or of one task, and sent again."""

from __future__ import annotations

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

AT = "2026-03-01T12:00:00Z"
DELIVERY = {"type": "task.failed", "url": "https://a.example/", "task": "t1", "attempt": 1, "created_at": AT}
FAILED = {
    **DELIVERY,
    "state": "failed",
    "attempts": [{"at": AT, "status": None, "error": "name not found", "duration": 0.1}],
}
SENT = {**DELIVERY, "state": "delivered", "attempts": [{"at": AT, "status": 204, "error": None, "duration": 0.1}]}


def test_webhooks_are_listed_by_state(api: FakeApi, run: Runner) -> None:
    page = {"data": [{**FAILED, "id": f"d{n}"} for n in range(5)], "next_cursor": None}
    api.answer("GET", "/api/v1/deliveries", 200, page)
    assert run("webhooks", "--state", "failed", "--limit", "2", "-o", "id").out.split() == ["d0", "d1"]
    assert api.requests[-1].query["state"] == ["failed"]
    shown = run("webhooks").out
    assert all(word in shown for word in ("d4", "task.failed", "t1", "failed", "name not found", "https://a.example/"))
    assert "state" not in api.requests[-1].query


def test_those_of_one_task_come_newest_first(api: FakeApi, run: Runner) -> None:
    found = [{**FAILED, "id": "d1"}, {**SENT, "id": "d2"}, {**FAILED, "id": "d3"}]
    api.answer("GET", "/api/v1/tasks/t1/deliveries", 200, {"data": found})
    assert run("webhooks", "--task", "t1", "-o", "id").out.split() == ["d3", "d2", "d1"]
    assert run("webhooks", "--task", "t1", "--state", "delivered", "-o", "id").out.split() == ["d2"]


def test_one_is_sent_again(api: FakeApi, run: Runner) -> None:
    api.answer("POST", "/api/v1/deliveries/d1/replay", 200, {**DELIVERY, "id": "d1", "state": "waiting"})
    assert run("webhooks", "replay", "d1", "-o", "json").json["state"] == "waiting"
    api.refuse("POST", "/api/v1/deliveries/d2/replay", 409, "conflict")
    assert run("webhooks", "replay", "d2").code == 1
