"""Every page, light and dark and on a phone: no console error, no CSP violation, readable, everything named."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from service.client import AsyncClient
from tests.browser.conftest import DESKTOP, PHONE, Desk

PAGES = ["/", "/tasks", "/submit", "/queues", "/workers", "/schedules", "/workflows", "/webhooks", "/keys", "/audit"]
LOOKS = {
    "light": ("light", DESKTOP),
    "dark": ("dark", DESKTOP),
    "phone": ("light", PHONE),
    "phone-dark": ("dark", PHONE),
}


@pytest.fixture(params=LOOKS, ids=str)
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    scheme, (width, height) = LOOKS[request.param]
    return {"color_scheme": scheme, "viewport": {"width": width, "height": height}, "extra_http_headers": {}}


@pytest_asyncio.fixture(scope="session")
async def seeded(service: Any) -> list[str]:
    """Ids of some tasks in various states, the first a finished one, the second a failed one."""
    async with service.client() as client:
        done = [
            await client.submit("simple_calculation", {"a": n, "b": 7, "operation": "multiply"}, tags=["demo"])
            for n in range(12)
        ]
        failing = await client.submit(
            "unreliable_task", {"fail_times": 9, "duration": 0.1}, max_attempts=3, tags=["demo"]
        )
        broken = await client.submit(
            "unreliable_task", {"fail_times": 1, "error": "value"}, metadata={"customer": "c-17"}
        )
        await client.submit("text_generation", {"prompt": "Why do queues form?", "max_tokens": 30})
        await client.submit("simple_calculation", {"a": 1, "b": 2, "operation": "add"}, delay=3_600)
        for task in [*done, failing, broken]:
            await client.wait(task.id, timeout=60)
    return [str(done[0].id), str(failing.id)]


def named(path: str, look: dict[str, Any]) -> str:
    kind = "phone" if look["viewport"]["width"] == PHONE[0] else "desktop"
    return f"{path.strip('/').replace('/', '-') or 'overview'}-{kind}-{look['color_scheme']}"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole(desk: Desk, look: dict[str, Any], path: str, seeded: list[str]) -> None:
    await desk.open(path)
    await expect(desk.page.get_by_role("heading", level=1)).to_have_count(1)
    if path == "/":
        await expect(desk.page.locator(".chart")).to_have_count(2)
        await expect(desk.page.get_by_role("heading", name="The last hour by type")).to_be_visible()
    await desk.judge(named(path, look))


@pytest.mark.parametrize("which", ["completed", "failed"])
async def test_a_task_is_shown_from_every_side(desk: Desk, look: dict[str, Any], which: str, seeded: list[str]) -> None:
    await desk.open(f"/tasks/{seeded[which == 'failed']}")
    await expect(desk.page.locator(".timeline .lane")).to_have_count(3 if which == "failed" else 1)
    for heading in ("Attempts", "Input", "Error" if which == "failed" else "Result"):
        await expect(desk.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    await desk.judge(named(f"task-{which}", look))


async def test_the_menu_on_a_phone(desk: Desk, look: dict[str, Any]) -> None:
    await desk.open("/")
    if look["viewport"]["width"] != PHONE[0]:
        await expect(desk.button("Menu")).to_be_hidden()
        return
    await desk.button("Menu").click()
    await desk.judge(named("menu", look))
    await expect(desk.page.locator(".side :focus")).to_have_text("Overview")
    await expect(desk.page.locator(".main")).to_have_attribute("inert", "")
    await desk.page.keyboard.press("Escape")
    await expect(desk.page.get_by_role("link", name="Queues", exact=True)).to_be_hidden()
    await desk.button("Menu").click()
    await desk.page.get_by_role("link", name="Queues", exact=True).click()
    await expect(desk.page.get_by_role("heading", name="Queues", level=1)).to_be_visible()


async def test_what_is_not_there_says_so(desk: Desk) -> None:
    await desk.open("/nowhere")
    await expect(desk.page.get_by_role("heading", name="There is no such page")).to_be_visible()


async def test_an_id_that_names_nothing(desk: Desk, client: AsyncClient) -> None:
    await desk.open("/tasks/01900000-0000-7000-8000-000000000000")
    await expect(desk.page.get_by_role("heading", name="There is no such task")).to_be_visible()
    desk.forgive("404")
