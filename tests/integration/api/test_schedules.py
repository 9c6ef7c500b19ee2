"""Schedules over REST: made, read, changed, paused, run at once, removed; and what is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.schemas.schedules import EVERY_MINUTE, NIGHTLY, SchedulePage, SchedulePatch, ScheduleView
from service.schemas.tasks import TaskView
from shared.domain.schedule import BUILT_IN
from shared.queue.stores import Stores
from tests.integration.api.conftest import assert_problem

URL = "/api/v1/schedules"


async def made(api: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = await api.post(URL, json={**EVERY_MINUTE, **given})
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


async def test_a_schedule_is_answered_whole_and_can_be_read(api: httpx.AsyncClient) -> None:
    answer = await api.post(URL, json=NIGHTLY)
    assert answer.status_code == 201
    schedule = answer.json()
    ScheduleView.model_validate_json(answer.content)
    assert answer.headers["location"] == schedule["links"]["self"] == f"{URL}/{schedule['id']}"
    assert {name: schedule[name] for name in NIGHTLY} == NIGHTLY
    assert (schedule["enabled"], schedule["catch_up"], schedule["built_in"]) == (True, "one", False)
    assert schedule["last_run"] is None
    assert at(schedule["next_run"]) > at(schedule["created_at"])
    read = await api.get(schedule["links"]["self"])
    assert read.json() == schedule
    unchanged = await api.get(schedule["links"]["self"], headers={"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304
    assert (await api.get(schedule["links"]["tasks"])).json()["data"] == []


async def test_an_interval_begins_one_period_after_its_creation(api: httpx.AsyncClient) -> None:
    schedule = await made(api, every=90.5)
    assert at(schedule["next_run"]) - at(schedule["created_at"]) == timedelta(seconds=90.5)


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"every": None}, "validation_error", "/cron"),
        ({"cron": "0 0 * * *"}, "validation_error", "/cron"),
        ({"every": 0.5}, "validation_error", "/every"),
        ({"every": 1e300}, "validation_error", "/every"),
        ({"every": "60"}, "validation_error", "/every"),
        ({"every": None, "cron": "0 0 30 2 *"}, "validation_error", "/cron"),
        ({"every": None, "cron": "every day"}, "validation_error", "/cron"),
        ({"every": None, "cron": "* * * * * *"}, "validation_error", "/cron"),
        ({"every": None, "cron": "* " * 200}, "validation_error", "/cron"),
        ({"every": None, "cron": "0 0 * * *", "timezone": "Mars/Olympus"}, "validation_error", "/timezone"),
        ({"timezone": "../../etc/passwd"}, "validation_error", "/timezone"),
        ({"type": "no_such_type"}, "unknown_task_type", "/type"),
        ({"type": None}, "validation_error", "/type"),
        ({"input": {"a": 1, "operation": "add"}}, "validation_error", "/input/b"),
        ({"input": None}, "validation_error", "/input/a"),
        ({"queue": "nowhere"}, "validation_error", "/queue"),
        ({"name": ""}, "validation_error", "/name"),
        ({"name": "x" * 64}, "validation_error", "/name"),
        ({"catch_up": "some"}, "validation_error", "/catch_up"),
        ({"enabled": "yes"}, "validation_error", "/enabled"),
        ({"surplus": 1}, "validation_error", "/surplus"),
        ({"next_run": "2030-01-01T00:00:00Z"}, "validation_error", "/next_run"),
    ],
    ids=str,
)
async def test_what_cannot_be_meant_is_refused_with_its_place(
    api: httpx.AsyncClient, change: dict[str, Any], code: str, pointer: str
) -> None:
    body = json.dumps({**EVERY_MINUTE, **change})
    answer = await api.post(URL, content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 422, code, pointer)


async def test_a_cron_that_never_fires_says_so(api: httpx.AsyncClient) -> None:
    answer = await api.post(URL, json={**NIGHTLY, "cron": "0 0 30 2 *"})
    problem = assert_problem(answer, 422, "validation_error", "/cron")
    assert "never fires" in problem["detail"]


async def test_a_name_is_of_one_schedule(api: httpx.AsyncClient) -> None:
    first = await made(api, name="a")
    assert_problem(await api.post(URL, json={**EVERY_MINUTE, "name": "a"}), 409, "conflict")
    second = await made(api, name="b")
    assert_problem(await api.patch(second["links"]["self"], json={"name": "a"}), 409, "conflict")
    assert (await api.patch(first["links"]["self"], json={"name": "a"})).status_code == 200


async def test_an_idempotency_key_makes_one_schedule(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.post(URL, json=NIGHTLY, headers=headers)
    again = await api.post(URL, json=NIGHTLY, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert_problem(await api.post(URL, json={**NIGHTLY, "name": "x"}, headers=headers), 422, "idempotency_key_reused")


async def test_the_list_is_paged_newest_first_and_ends_with_what_is_built_in(api: httpx.AsyncClient) -> None:
    names = [(await made(api, name=f"n{number}"))["name"] for number in range(3)]
    seen, cursor = [], ""
    while True:
        answer = await api.get(f"{URL}?limit=2{cursor}")
        SchedulePage.model_validate_json(answer.content)
        page = answer.json()
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        assert answer.links["next"]["url"].startswith(URL)
        cursor = f"&cursor={page['next_cursor']}"
    built_in = [one.name for one in reversed(BUILT_IN)]
    assert [one["name"] for one in seen] == [*reversed(names), *built_in]
    assert [one["built_in"] for one in seen] == [False, False, False, True, True]
    assert all(one["next_run"] for one in seen)
    assert_problem(await api.get(f"{URL}?cursor=abc"), 400, "invalid_cursor")


async def test_a_pause_and_a_resume(api: httpx.AsyncClient) -> None:
    schedule = await made(api)
    paused = (await api.patch(schedule["links"]["self"], json={"enabled": False})).json()
    assert (paused["enabled"], paused["next_run"]) == (False, None)
    resumed = (await api.patch(schedule["links"]["self"], json={"enabled": True})).json()
    assert resumed["next_run"] == schedule["next_run"], "an interval keeps its place"
    assert (await api.patch(schedule["links"]["self"], json={})).status_code == 200


async def test_giving_one_kind_of_timing_takes_the_other_away(api: httpx.AsyncClient) -> None:
    schedule = await made(api)
    change = {"cron": "@daily", "timezone": "Asia/Tokyo", "catch_up": "all", "queue": "urgent"}
    changed = (await api.patch(schedule["links"]["self"], json=change)).json()
    assert {**change, "every": None} == {name: changed[name] for name in (*change, "every")}
    assert at(changed["next_run"]).hour == 15
    assert_problem(await api.patch(schedule["links"]["self"], json={"cron": None}), 422, "validation_error", "/cron")
    assert_problem(await api.patch(schedule["links"]["self"], json={"name": None}), 422, "validation_error", "/name")


async def test_a_run_now_is_a_task_of_its_own(api: httpx.AsyncClient) -> None:
    schedule = await made(api, enabled=False, queue="urgent")
    answer = await api.post(schedule["links"]["run"], headers={"Idempotency-Key": "now", "X-Request-ID": "mine"})
    assert answer.status_code == 201, answer.text
    TaskView.model_validate_json(answer.content)
    task = answer.json()
    assert answer.headers["location"] == task["links"]["self"]
    assert (task["type"], task["queue"], task["input"]) == ("simple_calculation", "urgent", schedule["input"])
    assert task["metadata"] == {"schedule_id": schedule["id"], "schedule": schedule["name"], "tick": None}
    again = await api.post(schedule["links"]["run"], headers={"Idempotency-Key": "now"})
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (task["id"], "true")
    other = await api.post(schedule["links"]["run"], json={})
    assert other.json()["id"] != task["id"]
    assert_problem(await api.post(schedule["links"]["run"], json={"x": 1}), 422, "validation_error")
    listed = (await api.get(schedule["links"]["tasks"])).json()["data"]
    assert {one["id"] for one in listed} == {task["id"], other.json()["id"]}
    assert (await api.get(schedule["links"]["self"])).json()["last_run"] is None


async def test_a_deleted_schedule_is_gone_and_its_tasks_stay(api: httpx.AsyncClient) -> None:
    schedule = await made(api)
    task = (await api.post(schedule["links"]["run"])).json()
    assert (await api.delete(schedule["links"]["self"])).status_code == 204
    for answer in (
        await api.get(schedule["links"]["self"]),
        await api.delete(schedule["links"]["self"]),
        await api.post(schedule["links"]["run"]),
        await api.patch(schedule["links"]["self"], json={"enabled": False}),
    ):
        assert_problem(answer, 404, "not_found")
    assert (await api.get(task["links"]["self"])).status_code == 200
    await made(api, name=schedule["name"])


async def test_what_is_built_in_can_be_paused_and_nothing_else(api: httpx.AsyncClient) -> None:
    for one in BUILT_IN:
        url = f"{URL}/{one.id}"
        shown = (await api.get(url)).json()
        assert (shown["name"], shown["cron"], shown["built_in"]) == (one.name, one.cron, True)
        assert_problem(await api.delete(url), 409, "conflict")
        assert_problem(await api.post(f"{url}/run"), 409, "conflict")
        assert_problem(await api.patch(url, json={"cron": "@daily"}), 422, "validation_error", "/cron")
        paused = (await api.patch(url, json={"enabled": False})).json()
        assert (paused["enabled"], paused["next_run"]) == (False, None)
        assert (await api.patch(url, json={"enabled": True})).json()["next_run"] == shown["next_run"]


async def test_another_tenants_schedule_is_not_there(api: httpx.AsyncClient, stores: Stores) -> None:
    schedule = await made(api)
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"))
        await session.execute(text("UPDATE schedules SET tenant_id = 2 WHERE id = :id"), {"id": UUID(schedule["id"])})
    assert_problem(await api.get(schedule["links"]["self"]), 404, "not_found")
    assert_problem(await api.patch(schedule["links"]["self"], json={"enabled": False}), 404, "not_found")
    assert_problem(await api.delete(schedule["links"]["self"]), 404, "not_found")
    assert_problem(await api.post(schedule["links"]["run"]), 404, "not_found")
    assert schedule["id"] not in {one["id"] for one in (await api.get(URL)).json()["data"]}
    await made(api, name=schedule["name"])


texts = st.text(max_size=12) | st.sampled_from(["* * * * *", "0 0 30 2 *", "@daily", "UTC", "Asia/Tokyo", "all", "a"])
values = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(EVERY_MINUTE["input"])
bodies = st.dictionaries(st.sampled_from([*SchedulePatch.model_fields, "surplus"]), values, max_size=4)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, method=st.sampled_from(["POST", "PATCH"]))
async def test_any_schedule_is_taken_or_refused(api: httpx.AsyncClient, body: dict[str, Any], method: str) -> None:
    headers = {"content-type": "application/json"}
    if method == "POST":
        content = json.dumps({**EVERY_MINUTE, **body})
        answer = await api.post(URL, content=content, headers=headers)
    else:
        [any_one, *_] = (await api.get(URL)).json()["data"]
        answer = await api.patch(any_one["links"]["self"], content=json.dumps(body), headers=headers)
    assert answer.status_code in {200, 201, 400, 409, 422}, answer.text
    if answer.status_code < 300:
        ScheduleView.model_validate_json(answer.content)
