"""Texts that try the pages: long words, other directions, signs of all kinds, on a wide and on a narrow window."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Route, expect

from service.client import AsyncClient
from tests.browser.conftest import DESKTOP, PHONE, Desk

LONG = "supercalifragilistic" * 6
TURNED = "\u202edrawkcab\u202c"
ARABIC = "مرحبا بالعالم: 123 (abc)!"
SIGNS = "👩‍👩‍👧‍👦🏳️‍🌈 <b>&amp;</b> Ł̷̢̛ \u200b ﷽"
SAID = f"{LONG} {ARABIC}\n{SIGNS} {LONG * 3}"
SUM = {"a": 2, "b": 3, "operation": "add"}


@pytest.fixture(params=[("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone-dark"])
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    scheme, (width, height) = request.param
    return {"color_scheme": scheme, "viewport": {"width": width, "height": height}}


def named(what: str, look: dict[str, Any]) -> str:
    return f"hostile-{what}-{look['viewport']['width']}"


async def test_a_task_of_such_texts_fits_its_page(
    desk: Desk, client: AsyncClient, look: dict[str, Any], tag: str
) -> None:
    kept = {LONG: SAID, ARABIC: [SIGNS] * 3, "n": 2**63 - 1}
    tags = [f"{LONG[:100]}-{tag}", TURNED, ARABIC, SIGNS]
    task = await client.submit("simple_calculation", {**SUM, "b": 0, "operation": "divide"}, tags=tags, metadata=kept)
    await client.wait(task.id, timeout=30)

    async def fail_loudly(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        told["error"] = {"type": "ValueError", "message": SAID, "retryable": False, "traceback": SAID}
        await route.fulfill(response=answer, json=told)

    await desk.page.route(f"**/api/v1/tasks/{task.id}", fail_loudly)
    await desk.open(f"/tasks/{task.id}")
    await expect(desk.page.get_by_text(LONG).first).to_be_visible()
    await desk.page.get_by_text("Traceback", exact=True).click()
    await desk.judge(named("task", look))
    await desk.open(f"/tasks?tag={tags[0]}")
    await expect(desk.page.get_by_role("link", name="simple_calculation")).to_be_visible()
    await desk.page.get_by_label("Select all tasks on this page").check()
    await expect(desk.page.get_by_text("1 task selected")).to_be_visible()
    await desk.judge(named("tasks", look))


async def test_an_answer_from_right_to_left_reads_so(desk: Desk, client: AsyncClient, tag: str) -> None:
    task = await client.submit("shout", {"text": ARABIC}, tags=[tag])
    await desk.open(f"/tasks/{task.id}")
    answer = desk.page.locator(".stream")
    await expect(answer).to_have_text(ARABIC.upper())
    assert await answer.evaluate("(node) => getComputedStyle(node).direction") == "rtl"


async def test_names_of_such_texts_fit_questions_and_lists(
    desk: Desk, client: AsyncClient, look: dict[str, Any], tag: str
) -> None:
    name = f"{tag} {LONG}"[:63]
    made = await client.create_schedule(name, "simple_calculation", SUM, every=86_400)
    await desk.open("/schedules")
    await desk.row(tag).get_by_role("button", name="Delete …").click()
    await expect(desk.dialog).to_contain_text(tag)
    await desk.judge(named("question", look))
    await desk.button("Back").click()
    await desk.judge(named("schedules", look))
    await client.delete_schedule(made.id)


async def test_a_wide_workflow_scrolls_in_its_own_frame(
    desk: Desk, client: AsyncClient, look: dict[str, Any], tag: str
) -> None:
    fan = {f"n{n}-{LONG[:50]}": {"type": "simple_calculation", "input": SUM} for n in range(60)}
    made = await client.submit_workflow(fan, name=f"{tag} {LONG}"[:63])
    await desk.open(f"/workflows/{made.id}")
    await expect(desk.page.locator(".graph .node")).to_have_count(60)
    frame = await desk.page.locator(".graph").bounding_box()
    assert frame
    assert frame["height"] <= look["viewport"]["height"]
    await desk.judge(named("workflow", look))
