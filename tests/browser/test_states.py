"""A page that has nothing yet, nothing at all, or no answer says so: readable on a phone and in the dark, too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import DESKTOP, PHONE, Desk

API = "**/api/v1/**"
ID = "01900000-0000-7000-8000-000000000000"
PAGES = [
    *("/", "/tasks", f"/tasks/{ID}", "/submit", "/queues", "/workers", "/schedules"),
    *("/workflows", f"/workflows/{ID}", "/webhooks", "/keys", "/audit"),
]
EMPTY = {
    "/": "Nothing has happened yet",
    "/tasks": "No tasks yet",
    "/tasks?tag=nobody": "No task matches",
    "/workers": "No worker is alive",
    "/schedules": "No schedules",
    "/workflows": "No workflows",
    "/webhooks": "No webhooks yet",
    "/webhooks?state=failed": "No webhook matches",
    "/keys": "No key exists",
    "/audit": "Nothing yet",
}
STATS = {"total": {"submitted": 0, "completed": 0, "failed": 0, "success_share": None}}
NOTHING: dict[str, Any] = {"data": [], "next_cursor": None, "step": 60, **STATS}
REFUSALS = {503: "The service is recovering", 403: "Your key does not allow this", 500: "That did not work"}
Answers = Callable[[Route], Awaitable[Any]]


@pytest.fixture(params=[("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone-dark"])
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    scheme, (width, height) = request.param
    return {"color_scheme": scheme, "viewport": {"width": width, "height": height}}


def named(path: str, kind: str, look: dict[str, Any]) -> str:
    name = path.partition("?")[0].replace(ID, "one").strip("/").replace("/", "-") or "overview"
    return f"{name}-{kind}-{look['viewport']['width']}"


async def answered(desk: Desk, answers: Answers) -> None:
    """Let the API answer so; its stream of events is cut, and the page asks by itself."""

    async def take(route: Route) -> None:
        if route.request.resource_type == "eventsource":
            await route.abort()
        else:
            await answers(route)

    await desk.page.route(API, take)
    desk.excuse("Failed to load resource")


def refusing(status: int) -> Answers:
    problem = {"status": status, "code": "of_a_test", "detail": "Said by the test.", "request_id": "r-1"}
    kind = "application/problem+json"
    return lambda route: route.fulfill(status=status, content_type=kind, body=json.dumps(problem))


async def empty(route: Route) -> None:
    await route.fulfill(status=200, content_type="application/json", body=json.dumps(NOTHING))


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_that_waits_for_its_answer_says_so(desk: Desk, look: dict[str, Any], path: str) -> None:
    over = asyncio.Event()

    async def hold(route: Route) -> None:
        await over.wait()
        await route.abort()

    await answered(desk, hold)
    await desk.page.goto(f"{desk.url}/#{path}")
    await expect(desk.page.get_by_role("status", name="Loading")).to_be_visible()
    await desk.judge(named(path, "loading", look))
    over.set()
    await expect(desk.page.get_by_role("heading", name="No answer")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_without_an_answer_says_why_and_tries_again(desk: Desk, look: dict[str, Any], path: str) -> None:
    await answered(desk, refusing(503))
    await desk.page.goto(f"{desk.url}/#{path}")
    alert = desk.page.get_by_role("alert")
    await expect(alert).to_contain_text(REFUSALS[503])
    await expect(alert).to_contain_text("Said by the test.")
    await expect(alert).to_contain_text("r-1")
    await desk.judge(named(path, "broken", look))
    await desk.page.unroute_all(behavior="ignoreErrors")
    # It tries again by itself, too, and may have done so already.
    await desk.page.evaluate("() => document.querySelector('[role=alert] button')?.click()")
    await expect(desk.page.get_by_role("heading", name=REFUSALS[503])).to_have_count(0)


@pytest.mark.parametrize("status", REFUSALS, ids=str)
async def test_each_refusal_has_its_words(desk: Desk, status: int) -> None:
    await answered(desk, refusing(status))
    await desk.page.goto(f"{desk.url}/#/queues")
    await expect(desk.page.get_by_role("heading", name=REFUSALS[status])).to_be_visible()


@pytest.mark.parametrize("path", EMPTY)
async def test_a_page_with_nothing_on_it_says_what_would_be(desk: Desk, look: dict[str, Any], path: str) -> None:
    await answered(desk, empty)
    await desk.open(path)
    await expect(desk.page.get_by_role("heading", name=EMPTY[path])).to_be_visible()
    await desk.judge(named(path, f"empty-{len(path)}", look))
