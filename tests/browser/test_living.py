"""The dashboard over time: it refreshes, pauses for good, survives an outage, and is used without a mouse."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Route, expect

from service.client import AsyncClient
from tests.browser.conftest import Desk, desk_at
from tests.e2e.conftest import Service

SUM = {"a": 2, "b": 3, "operation": "add"}
STILL_SECONDS = 6.0
"""Longer than any page's period: what is not paused asks within it."""


async def test_what_happens_appears_by_itself(desk: Desk, client: AsyncClient, tag: str) -> None:
    await desk.open(f"/tasks?tag={tag}")
    await expect(desk.page.get_by_role("heading", name="No task matches")).to_be_visible()
    await expect(desk.page.get_by_text("Live", exact=True)).to_be_visible()
    await client.submit("simple_calculation", SUM, tags=[tag])
    await expect(desk.row("simple_calculation")).to_contain_text("Completed")


async def test_a_pause_really_pauses(desk: Desk, client: AsyncClient, tag: str) -> None:
    await desk.open(f"/tasks?tag={tag}")
    await desk.button("Pause updates").click()
    await expect(desk.page.get_by_text("Paused", exact=True)).to_be_visible()
    await asyncio.sleep(0.5)  # what was on its way when the button was pressed
    asked = len(desk.asked)
    await client.submit("simple_calculation", SUM, tags=[tag])
    # Nothing to poll for: that nothing is asked can only be seen by waiting.
    await asyncio.sleep(STILL_SECONDS)
    assert desk.asked[asked:] == []
    await expect(desk.row("simple_calculation")).to_have_count(0)
    await desk.button("Resume updates").click()
    await expect(desk.row("simple_calculation")).to_have_count(1)


async def test_paused_no_page_asks_anything(desk: Desk, client: AsyncClient) -> None:
    """All pages at once, each in a tab of its own, one of a task that runs and speaks."""
    running = await client.submit("sleep", {"value": 60})
    paths = [
        "/",
        "/tasks",
        f"/tasks/{running.id}",
        "/queues",
        "/workers",
        "/schedules",
        "/workflows",
        "/webhooks",
        "/audit",
    ]
    tabs = [Desk(await desk.page.context.new_page(), desk.url, Path()) for _ in paths]
    for tab, path in zip(tabs, paths, strict=True):
        await tab.page.bring_to_front()
        await tab.open(path)
        await tab.button("Pause updates").click()
        await expect(tab.page.get_by_text("Paused", exact=True)).to_be_visible()
    await asyncio.sleep(0.5)  # what was on its way when the buttons were pressed
    asked = {path: len(tab.asked) for path, tab in zip(paths, tabs, strict=True)}
    await client.submit("simple_calculation", SUM)
    await asyncio.sleep(STILL_SECONDS)
    assert {path: tab.asked[asked[path] :] for path, tab in zip(paths, tabs, strict=True)} == {
        path: [] for path in paths
    }
    assert [trouble for tab in tabs for trouble in tab.troubles] == []
    # Alive all the same: the reader's own word is obeyed.
    await tabs[0].button("Resume updates").click()
    await expect(tabs[0].page.get_by_text("Live", exact=True)).to_be_visible()
    await client.cancel(running.id)


async def test_the_curve_begins_with_what_the_service_counted(desk: Desk) -> None:
    began = datetime.now(UTC) - timedelta(minutes=60)
    minutes = [{"since": (began + timedelta(minutes=n)).isoformat(), "ended": 450, "rate": 7.5} for n in range(1, 59)]
    body = json.dumps({"step": 60, "data": minutes})
    await desk.page.route(
        "**/stats/throughput", lambda route: route.fulfill(content_type="application/json", body=body)
    )
    await desk.open("/")
    await expect(desk.page.get_by_role("img", name="at most 7.5/s")).to_be_visible()


async def test_a_late_answer_is_not_drawn_over_another_page(desk: Desk) -> None:
    come = asyncio.Event()

    async def hold(route: Route) -> None:
        await come.wait()
        await route.continue_()

    await desk.page.route("**/webhooks/secret", hold)
    await desk.open("/webhooks")
    await desk.button("Show the secret").click()
    await desk.page.get_by_role("link", name="Keys", exact=True).click()
    await expect(desk.page.get_by_role("heading", name="No key exists")).to_be_visible()
    async with desk.page.expect_response("**/webhooks/secret"):
        come.set()
    # The answer is there: two frames later it would be drawn.
    await desk.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await expect(desk.page.get_by_role("heading", name="No key exists")).to_be_visible()
    await expect(desk.page.get_by_role("heading", name="Signing secret")).to_have_count(0)


async def test_an_outage_is_told_and_ends_by_itself(
    browser: Browser, own_service: Service, pictures: Path, look: dict[str, Any]
) -> None:
    api = await own_service.start_api()
    async with desk_at(browser, own_service.url, pictures, look) as desk:
        await desk.open("/queues")
        api.send(signal.SIGTERM)
        await api.wait()
        await expect(desk.page.get_by_text("No connection")).to_be_visible()
        await expect(desk.page.locator(".banner")).to_contain_text("What you see may be old")
        await expect(desk.row("urgent")).to_be_visible()
        await desk.judge("outage-desktop-light")
        await own_service.start_api()
        await expect(desk.page.locator(".banner")).to_have_count(0)
        desk.forgive("Failed to load resource")


async def test_output_is_shown_as_it_comes(desk: Desk, client: AsyncClient) -> None:
    given = {"prompt": "Tell a long story about a queue.", "max_tokens": 200}
    task = await client.submit("text_generation", given)
    await desk.open(f"/tasks/{task.id}")
    output = desk.page.get_by_role("log", name="Output so far")
    await expect(output).to_have_text(re.compile(r"\w+"))
    assert (await client.get(task.id)).status == "PROCESSING"
    await desk.judge("streaming-desktop-light")
    await client.cancel(task.id)
    await expect(desk.page.locator(".card header .badge").first).to_have_text("Cancelled")


async def test_the_theme_is_switched_and_kept(desk: Desk) -> None:
    await desk.open("/")
    html = desk.page.locator("html")
    await expect(html).to_have_attribute("data-theme", "light")
    await desk.button("Switch between light and dark").click()
    await expect(html).to_have_attribute("data-theme", "dark")
    await desk.page.reload()
    await expect(html).to_have_attribute("data-theme", "dark")
    await desk.button("Switch between light and dark").click()
    await expect(html).to_have_attribute("data-theme", "light")


async def test_everything_is_reached_by_keyboard(desk: Desk, client: AsyncClient, tag: str) -> None:
    await client.submit("simple_calculation", SUM, tags=[tag], delay=3_600)
    await desk.open("/")
    keyboard, focused = desk.page.keyboard, desk.page.locator(":focus")
    await keyboard.press("Tab")
    await expect(focused).to_have_text("Skip to the content")
    await keyboard.press("Enter")
    await expect(focused).to_have_attribute("id", "content")
    await desk.page.get_by_role("link", name="Tasks", exact=True).focus()
    await keyboard.press("Enter")
    await expect(desk.page.get_by_role("heading", name="Tasks", level=1)).to_be_visible()
    await desk.page.get_by_label("Search tasks").focus()
    await keyboard.type(f"tag:{tag}")
    await keyboard.press("Enter")
    await expect(desk.page.get_by_role("row")).to_have_count(2)
    await desk.page.get_by_label("Select simple_calculation").focus()
    await keyboard.press("Space")
    await desk.button("Cancel …").focus()
    await keyboard.press("Enter")
    await expect(desk.dialog).to_be_visible()
    await expect(focused).to_have_text("Back")
    await keyboard.press("Escape")
    await expect(desk.dialog).to_have_count(0)
    await expect(focused).to_have_text("Cancel …")


async def test_a_refresh_keeps_what_the_reader_is_at(desk: Desk, client: AsyncClient) -> None:
    """The page is drawn anew every few seconds: focus, typing and open details must survive that."""
    await client.submit("sleep", {"value": 30}, tags=["kept"])
    await desk.open("/workers")
    await desk.page.locator("summary").first.click()
    await desk.page.locator("summary").first.focus()
    asked = time.monotonic()
    seen = len([one for one in desk.asked if "/workers" in one])
    while len([one for one in desk.asked if "/workers" in one]) < seen + 2:
        assert time.monotonic() - asked < 20, "the page does not refresh"
        await asyncio.sleep(0.05)
    await expect(desk.page.locator("details").first).to_have_attribute("open", "")
    await expect(desk.page.locator("summary").first).to_be_focused()
    async for task in client.list(tag="kept", status="PROCESSING"):
        await client.cancel(task.id)
