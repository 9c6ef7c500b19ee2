"""Workflows in the dashboard: a graph whose nodes lead to their tasks, and the two verbs for the whole."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESKTOP, PHONE, Desk
from tests.e2e.conftest import Service

SUM = {"type": "simple_calculation", "input": {"a": 2, "b": 3, "operation": "add"}}
LATER = {"type": "sleep", "input": {"value": 30}}


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    width, height = request.param
    return {"color_scheme": "dark", "viewport": {"width": width, "height": height}}


async def submitted(service: Service, **tasks: Any) -> str:
    async with httpx.AsyncClient(base_url=service.url) as http:
        answer = await http.post("/api/v1/workflows", json={"name": "nightly", "tasks": tasks})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


async def test_a_workflow_is_a_graph_and_is_cancelled_and_retried(
    desk: Desk, service: Service, look: dict[str, Any]
) -> None:
    fan = {name: {**SUM, "after": ["load"]} for name in ("north", "south", "west")}
    broken = {"type": "unreliable_task", "input": {"fail_times": 1, "error": "value"}, "after": ["load"]}
    report = {**LATER, "after": ["north", "south", "west"]}
    made = await submitted(
        service, load=SUM, **fan, check={**broken}, report=report, mail={**SUM, "after": ["report", "check"]}
    )
    await desk.open("/workflows")
    await desk.page.locator(f'[data-key="{made}"]').get_by_role("link").click()
    nodes = desk.page.locator(".graph .node")
    await expect(nodes).to_have_count(7)
    await expect(desk.page.locator(".graph .edge")).to_have_count(9)
    await expect(nodes.filter(has_text="north")).to_contain_text("Completed")
    await expect(nodes.filter(has_text="check")).to_contain_text("Failed")
    await desk.judge(f"workflow-{look['viewport']['width']}-dark")
    await desk.page.get_by_text("Nodes as a list").click()
    await expect(desk.row("report").first).to_be_visible()
    await desk.button("Cancel …").click()
    await desk.button("Cancel the workflow").click()
    await expect(desk.page.locator(".card header .badge").first).to_have_text("Failed")
    await desk.button("Retry the failed part").click()
    await desk.toast("runs again")
    await desk.page.get_by_role("link", name="load, Completed").click()
    await expect(desk.page.get_by_role("heading", level=1)).to_contain_text("simple_calculation")
    await desk.page.get_by_role("link", name=f"…{made[-8:]}").click()
    await expect(nodes).to_have_count(7)
