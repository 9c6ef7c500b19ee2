"""schedules: the group of commands, and the client's verbs behind it."""

from __future__ import annotations

import json

import pytest

from service.client import AsyncClient, Client, NotFound
from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

SUM = ["-i", "a=1", "-i", "b=2", "-i", "operation=add"]


def test_a_schedule_is_created_listed_and_shown(api: FakeApi, run: Runner) -> None:
    made = run("schedules", "create", "nightly", "simple_calculation", *SUM, "--cron", "30 2 * * *", "-o", "id")
    assert (made.code, made.out) == (0, "s0\n")
    [got] = api.seen("POST", "/api/v1/schedules")
    assert got.json == {
        "name": "nightly",
        "type": "simple_calculation",
        "input": {"a": 1, "b": 2, "operation": "add"},
        "cron": "30 2 * * *",
        "enabled": True,
    }
    assert "idempotency-key" in got.headers
    listed = run("schedules", "list")
    assert "nightly" in listed.out
    assert "30 2 * * * UTC" in listed.out
    assert run("schedules", "list", "-o", "json").json[0]["name"] == "nightly"


def test_a_schedule_is_changed_as_far_as_said(api: FakeApi, run: Runner) -> None:
    run("schedules", "create", "nightly", "simple_calculation", *SUM, "--every", "60")
    changed = run("schedules", "change", "nightly", "--cron", "0 3 * * *", "-i", "a=9", "--name", "late")
    assert changed.code == 0
    [got] = api.seen("PATCH", "/api/v1/schedules/s0")
    assert got.json == {"cron": "0 3 * * *", "name": "late", "input": {"a": 9}}
    nothing = run("schedules", "change", "late")
    assert (nothing.code, "say what to change" in nothing.err) == (2, True)
    assert "late" in run("schedules").out
    assert run("schedules", "delete", "late", "-o", "json").json[0]["id"] == "s0"


def test_the_list_goes_on_to_its_last_page(api: FakeApi, run: Runner) -> None:
    for number in range(5):
        run("schedules", "create", f"n{number}", "simple_calculation", "--every", "60", "--paused")
    assert run("schedules", "list", "-o", "id").out.split() == ["s4", "s3", "s2", "s1", "s0"]


@pytest.mark.parametrize("which", ["nightly", "s0"])
def test_a_schedule_is_found_by_name_or_id(api: FakeApi, run: Runner, which: str) -> None:
    run("schedules", "create", "nightly", "simple_calculation", *SUM, "--every", "60")
    assert "paused" in run("schedules", "pause", which).out
    assert api.schedules["s0"]["enabled"] is False
    assert "every 60 s" in run("schedules", "resume", which).out
    assert api.schedules["s0"]["enabled"] is True
    assert run("schedules", "run", which, "-o", "id").out.split() == list(api.tasks)
    gone = run("schedules", "delete", which)
    assert (gone.code, api.schedules) == (0, {})
    assert "deleted nightly" in gone.err


def test_a_schedule_that_is_not_there_is_exit_code_3(api: FakeApi, run: Runner) -> None:
    for verb in ("run", "pause", "resume", "delete"):
        ran = run("schedules", verb, "nothing")
        assert ran.code == 3
        assert "taskrunner schedules list" in ran.err


def test_what_the_service_refuses_is_said(api: FakeApi, run: Runner) -> None:
    error = {"pointer": "/cron", "detail": "This never fires."}
    api.refuse("POST", "/api/v1/schedules", 422, "validation_error", errors=[error])
    ran = run("schedules", "create", "x", "simple_calculation", "--json", json.dumps({}), "--cron", "0 0 30 2 *")
    assert ran.code == 2
    assert "/cron: This never fires." in ran.err


async def test_both_clients_have_the_verbs(api: FakeApi) -> None:
    with Client() as client:
        made = client.create_schedule("a", "simple_calculation", {}, every=5)
        assert client.schedule(made.id).every == 5
        client.change_schedule(made.id, every=6)
    async with AsyncClient() as awaited:
        assert [one.every async for one in awaited.schedules()] == [6]
        await awaited.delete_schedule(made.id)
        with pytest.raises(NotFound):
            await awaited.schedule(made.id)
