"""Signing in: a key for a session, and what a session may not do without its token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.conftest import Desk, desk_at
from tests.e2e.conftest import Service

FORBIDDEN = """
    () => {
        const refused = [];
        try { document.body.innerHTML = "<b>parsed</b>"; } catch { refused.push("markup"); }
        document.body.setAttribute("style", "color: red");
        document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/elsewhere.png" }));
        return refused;
    }
"""
KEY = "trk_rootkey1.0123456789abcdef0123456789abcdef"


@pytest_asyncio.fixture
async def guarded(browser: Browser, own_service: Service, pictures: Path, look: dict[str, Any]) -> AsyncIterator[Desk]:
    """A desk at a service that has a key."""
    own_service.env["TASKRUNNER_BOOTSTRAP_KEY"] = KEY
    await own_service.start_api()
    async with desk_at(browser, own_service.url, pictures, look) as desk:
        yield desk


async def sign_in(desk: Desk, key: str = KEY) -> None:
    await desk.page.get_by_label("API key").fill(key)
    await desk.button("Sign in").click()


async def test_a_key_opens_the_dashboard_and_signing_out_closes_it(guarded: Desk) -> None:
    await guarded.open("/tasks")
    await guarded.judge("sign-in-desktop-light")
    await sign_in(guarded, "trk_rootkey1.wrongwrongwrongwrongwrong")
    await expect(guarded.page.get_by_text("This key is not valid")).to_be_visible()
    guarded.forgive("401")
    await sign_in(guarded)
    await expect(guarded.page.get_by_role("heading", name="Tasks", level=1)).to_be_visible()
    await expect(guarded.page.get_by_text("Signed in with rootkey1")).to_be_visible()
    await guarded.page.reload()
    await expect(guarded.page.get_by_role("heading", name="No tasks yet")).to_be_visible()
    [cookie] = await guarded.page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert await guarded.page.evaluate("document.cookie") == ""
    await guarded.button("Sign out").click()
    await expect(guarded.page.get_by_label("API key")).to_be_visible()
    assert await guarded.page.context.cookies() == []


async def test_a_session_writes_with_its_token_only(guarded: Desk, own_service: Service) -> None:
    await guarded.open("/queues")
    await sign_in(guarded)
    await guarded.row("urgent").get_by_role("button", name="Pause", exact=True).click()
    await guarded.toast("urgent is paused")
    forged = "fetch('/api/v1/queues/urgent/resume', {method: 'POST'}).then((answer) => answer.status)"
    assert await guarded.page.evaluate(forged) == 403
    guarded.forgive("403")
    await expect(guarded.row("urgent")).to_contain_text("Paused")


async def test_a_session_that_is_over_asks_for_the_key_again(guarded: Desk) -> None:
    await guarded.open("/queues")
    await sign_in(guarded)
    await expect(guarded.row("urgent")).to_be_visible()
    await guarded.page.context.clear_cookies()
    await expect(guarded.page.get_by_label("API key")).to_be_visible()
    guarded.forgive("401")
    guarded.forgive("EventSource")
    await sign_in(guarded)
    await expect(guarded.row("urgent")).to_be_visible()


async def test_what_was_begun_waits_for_who_signs_in_again(guarded: Desk) -> None:
    await guarded.open("/submit")
    await sign_in(guarded)
    await guarded.page.get_by_label("Task type").select_option("simple_calculation")
    await guarded.page.get_by_label("a", exact=True).fill("41")
    await guarded.page.get_by_label("b", exact=True).fill("1")
    await guarded.page.context.clear_cookies()
    await guarded.button("Submit the task").click()
    await expect(guarded.page.get_by_label("API key")).to_be_focused()
    await expect(guarded.page.get_by_label("Task type")).to_have_count(0)
    await sign_in(guarded)
    await expect(guarded.page.get_by_label("a", exact=True)).to_have_value("41")
    await guarded.button("Submit the task").click()
    await expect(guarded.page.get_by_role("heading", level=1)).to_contain_text("simple_calculation")
    guarded.forgive("401")
    guarded.forgive("EventSource")


async def test_a_question_waits_for_who_signs_in_again(guarded: Desk) -> None:
    await guarded.open("/keys")
    await sign_in(guarded)
    await guarded.button("New key …").click()
    await guarded.dialog.get_by_label("Name").fill("team")
    await guarded.page.context.clear_cookies()
    await guarded.button("Create the key").click()
    await sign_in(guarded)
    await expect(guarded.dialog.get_by_label("Name")).to_have_value("team")
    # Modal as before: what lies behind it is out of reach.
    assert await guarded.page.evaluate("document.querySelector('dialog').matches(':modal')")
    await guarded.button("Create the key").click()
    await expect(guarded.row("team")).to_be_visible()
    guarded.forgive("401")
    guarded.forgive("EventSource")


async def test_a_tab_goes_on_where_another_has_signed_in_anew(guarded: Desk) -> None:
    await guarded.open("/queues")
    await sign_in(guarded)
    other = Desk(await guarded.page.context.new_page(), guarded.url, Path())
    await other.open("/queues")
    await other.button("Pause updates").click()
    await guarded.button("Sign out").click()
    await sign_in(guarded)
    await expect(guarded.row("urgent")).to_be_visible()
    await other.row("urgent").get_by_role("button", name="Pause", exact=True).click()
    await other.toast("urgent is paused")
    other.forgive("403")
    other.forgive("EventSource")
    assert other.troubles == []


async def test_a_door_opens_by_itself_where_another_tab_has_signed_in(guarded: Desk) -> None:
    await guarded.open("/queues")
    other = Desk(await guarded.page.context.new_page(), guarded.url, Path())
    await other.open("/workers")
    await sign_in(guarded)
    await expect(guarded.row("urgent")).to_be_visible()
    # What the browser says when the reader comes to the tab; without a window there is no coming and going.
    await other.page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(other.page.get_by_role("heading", name="Workers", level=1)).to_be_visible()
    assert other.troubles == []


async def test_a_key_that_only_reads_is_offered_nothing_else(guarded: Desk, own_service: Service) -> None:
    admin = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=own_service.url, headers=admin) as http:
        made = await http.post("/api/v1/keys", json={"name": "reader", "scopes": ["read"]})
    await guarded.open("/queues")
    await sign_in(guarded, made.json()["key"])
    await expect(guarded.row("urgent")).to_be_visible()
    for name in ("Pause", "Purge …"):
        await expect(guarded.button(name)).to_have_count(0)
    for path in ("/keys", "/audit"):
        await guarded.open(path)
        await expect(guarded.page.get_by_role("heading", name="Your key does not allow this")).to_be_visible()
    guarded.forgive("403")
    await guarded.open("/webhooks")
    await expect(guarded.page.get_by_role("heading", name="For admins")).to_be_visible()
    await guarded.open("/submit")
    await expect(guarded.button("Submit the task")).to_be_disabled()


async def test_the_policy_is_enforced(desk: Desk) -> None:
    await desk.open("/")
    assert await desk.page.evaluate(FORBIDDEN) == ["markup"]
    wanted = {"style-src-attr", "img-src", "require-trusted-types-for"}
    async with asyncio.timeout(10):
        while not all(any(f"CSP: {rule}" in told for told in desk.troubles) for rule in wanted):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    desk.troubles.clear()


@pytest.mark.parametrize("path", ["/", "/keys", "/audit", "/workflows"])
async def test_every_page_works_in_a_session(guarded: Desk, path: str) -> None:
    await guarded.open(path)
    await sign_in(guarded)
    await expect(guarded.page.locator(".page, .note").first).to_be_visible()
