"""The dashboard without a mouse, and for those whom motion troubles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from service.client import AsyncClient
from tests.browser.conftest import DESKTOP, PHONE, Desk, desk_at
from tests.e2e.conftest import Service

MOST_STOPS = 120
FOCUS = """
    () => {
        const at = document.activeElement;
        if (at === document.body) return null;
        const { outlineStyle, outlineWidth } = getComputedStyle(at);
        const place = [...document.querySelectorAll("*")].indexOf(at);
        return [place, outlineStyle !== "none" && parseFloat(outlineWidth) > 0, at.outerHTML.slice(0, 80)];
    }
"""
MOVING = "() => document.getAnimations().length"


@pytest.mark.parametrize("path", ["/queues", "/submit", "/schedules"])
async def test_the_focus_goes_down_the_page_and_is_seen(desk: Desk, path: str) -> None:
    await desk.open(path)
    stops = []
    for _ in range(MOST_STOPS):
        await desk.page.keyboard.press("Tab")
        stop = await desk.page.evaluate(FOCUS)
        if stop is None:
            break
        stops.append(stop)
    assert len(stops) > 15
    assert [place for place, _, _ in stops] == sorted(place for place, _, _ in stops)
    assert [told for _, is_seen, told in stops if not is_seen] == []


async def test_two_keys_lead_to_a_page(desk: Desk) -> None:
    await desk.open("/")
    heading = desk.page.get_by_role("heading", level=1)
    for letter, name in {"q": "Queues", "t": "Tasks", "h": "Webhooks", "o": "Overview"}.items():
        await desk.page.keyboard.press("g")
        await desk.page.keyboard.press(letter)
        await expect(heading).to_have_text(name)
    await desk.page.keyboard.press("q")
    await expect(heading).to_have_text("Overview")


async def test_one_key_searches_pauses_and_darkens(desk: Desk) -> None:
    await desk.open("/queues")
    await desk.page.keyboard.press("p")
    await expect(desk.button("Resume updates")).to_be_visible()
    await desk.page.keyboard.press("p")
    await expect(desk.button("Pause updates")).to_be_visible()
    await desk.page.keyboard.press("d")
    await expect(desk.page.locator("html")).to_have_attribute("data-theme", "dark")
    await desk.page.keyboard.press("d")
    await desk.page.keyboard.press("/")
    box = desk.page.get_by_label("Search tasks")
    await expect(box).to_be_focused()
    await desk.page.keyboard.type("gq/?p")
    await expect(box).to_have_value("gq/?p")
    await expect(desk.page.get_by_role("heading", level=1)).to_have_text("Tasks")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_keys_are_told_and_can_be_put_away(desk: Desk, size: tuple[int, int]) -> None:
    await desk.page.set_viewport_size({"width": size[0], "height": size[1]})
    await desk.open("/queues")
    await desk.page.keyboard.press("?")
    await expect(desk.dialog).to_contain_text("Search tasks")
    await desk.judge(f"keys-help-{size[0]}")
    await desk.dialog.get_by_label("Use these keys").uncheck()
    await desk.button("Close").click()
    await expect(desk.dialog).to_have_count(0)
    await desk.page.keyboard.press("?")
    await desk.page.keyboard.press("g")
    await desk.page.keyboard.press("w")
    await expect(desk.page.get_by_role("heading", level=1)).to_have_text("Queues")
    await expect(desk.dialog).to_have_count(0)
    if size == PHONE:
        await desk.button("Menu").click()
    await desk.button("Keyboard shortcuts").click()
    await desk.dialog.get_by_label("Use these keys").check()
    await desk.page.keyboard.press("Escape")
    await expect(desk.dialog).to_have_count(0)
    await desk.page.keyboard.press("?")
    await expect(desk.dialog).to_be_visible()


@pytest.mark.parametrize(("wish", "is_still"), [("no-preference", False), ("reduce", True)])
async def test_who_wants_less_motion_gets_none(
    browser: Browser,
    service: Service,
    pictures: Path,
    look: dict[str, Any],
    client: AsyncClient,
    wish: str,
    is_still: bool,
) -> None:
    task = await client.submit("sleep", {"value": 30})
    try:
        async with desk_at(browser, service.url, pictures, {**look, "reduced_motion": wish}) as desk:
            await desk.open(f"/tasks/{task.id}")
            await expect(desk.page.locator(".badge[data-running]").first).to_be_visible()
            assert (await desk.page.evaluate(MOVING) == 0) is is_still
    finally:
        await client.cancel(task.id)
