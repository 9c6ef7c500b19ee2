"""Tasks in the dashboard: searched, filtered, acted on in bulk, watched, cancelled, retried, run again."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import expect

from service.client import AsyncClient
from tests.browser.conftest import Desk

SUM = {"a": 2, "b": 3, "operation": "add"}


async def test_search_words_become_filters_in_the_address(desk: Desk, client: AsyncClient, tag: str) -> None:
    wanted = await client.submit("simple_calculation", SUM, tags=[tag])
    other = await client.submit("unreliable_task", {}, tags=[tag])
    await client.wait(wanted.id, timeout=30)
    await client.wait(other.id, timeout=30)
    await desk.open("/tasks")
    box = desk.page.get_by_label("Search tasks")
    await box.fill(f"tag:{tag} type:simple_calculation status:completed")
    await box.press("Enter")
    await expect(desk.page.get_by_role("row")).to_have_count(2)
    assert f"tag={tag}" in desk.page.url
    assert "status=COMPLETED" in desk.page.url
    await desk.page.get_by_role("button", name="Remove the filter type").click()
    await expect(desk.page.get_by_role("row")).to_have_count(3)
    await desk.page.reload()
    await expect(desk.page.get_by_label("Search tasks")).to_have_value(f"status:COMPLETED tag:{tag}")
    await desk.button("Failed").click()
    await expect(desk.button("Failed")).to_have_attribute("aria-pressed", "true")
    await desk.page.go_back()
    await expect(desk.button("Failed")).to_have_attribute("aria-pressed", "false")


async def test_an_id_leads_to_its_task_and_nonsense_is_told(desk: Desk, client: AsyncClient) -> None:
    task = await client.submit("simple_calculation", SUM)
    await desk.open("/tasks")
    box = desk.page.get_by_label("Search tasks")
    await box.fill("colour:red")
    await box.press("Enter")
    await desk.toast("Not understood: colour:red")
    await box.fill(str(task.id))
    await box.press("Enter")
    await expect(desk.page.get_by_role("heading", level=1)).to_contain_text("simple_calculation")


async def test_pages_follow_the_cursor(desk: Desk, client: AsyncClient, tag: str) -> None:
    await client.submit_batch([{"type": "simple_calculation", "input": SUM, "tags": [tag], "delay": 3600}] * 51)
    await desk.open(f"/tasks?tag={tag}")
    await expect(desk.page.get_by_role("row")).to_have_count(51)
    await expect(desk.button("Newest")).to_be_disabled()
    await desk.button("Older").click()
    await expect(desk.page.get_by_role("row")).to_have_count(2)
    await expect(desk.page.locator(":focus")).to_have_attribute("id", "content")
    assert await desk.page.evaluate("scrollY") == 0
    await desk.button("Newest").click()
    await expect(desk.page.get_by_role("row")).to_have_count(51)


async def test_a_bulk_action_says_the_count_before_it_acts(desk: Desk, client: AsyncClient, tag: str) -> None:
    waiting = [await client.submit("simple_calculation", SUM, tags=[tag], delay=3_600) for _ in range(3)]
    done = await client.submit("simple_calculation", SUM, tags=[tag])
    await client.wait(done.id, timeout=30)
    await desk.open(f"/tasks?tag={tag}")
    await desk.page.get_by_label("Select all tasks on this page").check()
    await expect(desk.page.get_by_text("4 tasks selected")).to_be_visible()
    await desk.button("Cancel …").click()
    await expect(desk.dialog).to_contain_text("Cancel 3 tasks?")
    await desk.dialog.get_by_role("button", name="Back", exact=True).click()
    assert {(await client.get(task.id)).status for task in waiting} == {"SCHEDULED"}
    await desk.button("Cancel …").click()
    await desk.dialog.get_by_role("button", name="Cancel 3 tasks").click()
    await desk.toast("3 tasks cancelled")
    assert {(await client.get(task.id)).status for task in waiting} == {"CANCELLED"}
    await expect(desk.row("Cancelled")).to_have_count(3)


async def test_a_running_task_shows_its_progress_and_is_cancelled(desk: Desk, client: AsyncClient) -> None:
    task = await client.submit("sleep", {"value": 50})
    await desk.open(f"/tasks/{task.id}")
    await expect(desk.page.get_by_role("progressbar")).to_be_visible()
    await desk.button("Cancel …").click()
    await desk.dialog.get_by_role("button", name="Cancel the task").click()
    await expect(desk.page.locator(".card header .badge").first).to_have_text("Cancelled")
    await desk.button("Retry").click()
    await desk.toast("It waits again")
    await expect(desk.page.get_by_text("Generation", exact=True)).to_be_visible()
    await client.cancel(task.id)
    await expect(desk.page.locator(".card header .badge").first).to_have_text("Cancelled")


async def test_an_error_is_shown_with_its_traceback_and_copied(desk: Desk, client: AsyncClient) -> None:
    task = await client.submit("unreliable_task", {"fail_times": 1, "error": "value"})
    await client.wait(task.id, timeout=30)
    await desk.open(f"/tasks/{task.id}")
    await desk.page.get_by_text("Traceback", exact=True).click()
    await expect(desk.page.get_by_label("Traceback")).to_contain_text("ValueError")
    await desk.button("Copy the input").click()
    await desk.toast("Copied")
    assert '"fail_times": 1' in await desk.page.evaluate("navigator.clipboard.readText()")


async def test_a_task_is_run_again_with_another_input(desk: Desk, client: AsyncClient) -> None:
    task = await client.submit("simple_calculation", SUM, tags=["again"])
    await client.wait(task.id, timeout=30)
    await desk.open(f"/tasks/{task.id}")
    await desk.page.get_by_role("link", name="Run again …").click()
    await expect(desk.page.get_by_label("a", exact=True)).to_have_value("2")
    await desk.page.get_by_label("a", exact=True).fill("40")
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_contain_text('"result": 43')
    assert str(task.id) not in desk.page.url


async def test_a_live_answer_grows_and_stays(desk: Desk, client: AsyncClient) -> None:
    task = await client.submit("text_generation", {"prompt": "Name three colours.", "max_tokens": 40})
    await desk.open(f"/tasks/{task.id}")
    await expect(desk.page.get_by_role("heading", name="Answer")).to_be_visible(timeout=60_000)
    await expect(desk.page.locator(".stream").first).to_have_text(re.compile(r"\w+"))


async def test_a_bulk_action_reaches_all_that_match_the_filter(desk: Desk, client: AsyncClient, tag: str) -> None:
    await client.submit_batch([{"type": "simple_calculation", "input": SUM, "tags": [tag], "delay": 3600}] * 60)
    await desk.open(f"/tasks?tag={tag}")
    await desk.page.get_by_label("Select all tasks on this page").check()
    await desk.button("Select all that match the filter").click()
    await desk.button("Cancel …").click()
    await expect(desk.dialog).to_contain_text("Cancel 60 tasks?")
    await desk.button("Cancel 60 tasks").click()
    await desk.toast("60 tasks cancelled")
    await desk.page.get_by_label("Select all tasks on this page").check()
    await desk.button("Delete …").click()
    await desk.button("Delete 50 tasks").click()
    await desk.toast("50 tasks deleted")
    await expect(desk.page.get_by_role("row")).to_have_count(11)


async def test_tasks_that_ended_badly_are_sent_back_together(desk: Desk, client: AsyncClient, tag: str) -> None:
    failing = {"fail_times": 1, "error": "value"}
    tasks = [await client.submit("unreliable_task", failing, tags=[tag]) for _ in range(2)]
    for task in tasks:
        await client.wait(task.id, timeout=30)
    await desk.open(f"/tasks?tag={tag}")
    await desk.page.get_by_label("Select all tasks on this page").check()
    await desk.button("Retry …").click()
    await desk.dialog.get_by_role("button", name="Retry 2 tasks").click()
    await desk.toast("2 tasks sent back to the queue")
    assert {(await client.get(task.id)).generation for task in tasks} == {2}


async def test_a_bulk_action_that_cannot_be_counted_says_so(desk: Desk, client: AsyncClient, tag: str) -> None:
    await client.submit("simple_calculation", SUM, tags=[tag], delay=3_600)
    await desk.open(f"/tasks?tag={tag}")
    await desk.page.get_by_label("Select simple_calculation").check()
    await desk.page.route("**/tasks/bulk/cancel", lambda route: route.abort())
    desk.excuse("Failed to load resource")
    await desk.button("Cancel …").click()
    await desk.toast("The service cannot be reached")
    await expect(desk.page.get_by_text("1 task selected")).to_be_visible()


async def test_what_is_too_large_for_javascript_is_shown_and_run_again_as_it_is(
    desk: Desk, client: AsyncClient, tag: str
) -> None:
    large = 2**53 + 1
    task = await client.submit("simple_calculation", {"a": large, "b": 0, "operation": "add"}, tags=[tag])
    await desk.open(f"/tasks/{task.id}")
    await expect(desk.page.get_by_label("the input", exact=True)).to_contain_text(str(large))
    await expect(desk.page.get_by_label("the result", exact=True)).to_contain_text(str(large))
    await desk.page.get_by_role("link", name="Run again …").click()
    await expect(desk.page.get_by_label("a", exact=True)).to_have_value(str(large))
    await desk.page.get_by_label("b", exact=True).fill(str(large + 1))
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_contain_text(str(2 * large + 1))


async def test_what_a_task_was_given_beside_its_input_is_given_again(desk: Desk, client: AsyncClient, tag: str) -> None:
    given: dict[str, Any] = {
        "tags": [tag],
        "metadata": {"customer": "c-17"},
        "timeout": 77,
        "max_attempts": 2,
        "priority": 3,
    }
    task = await client.submit("simple_calculation", SUM, **given)
    await desk.open(f"/submit?from={task.id}")
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_be_visible()
    again = await client.get(desk.page.url.rpartition("/")[2])
    assert again.id != task.id
    assert {name: getattr(again, name) for name in given} == given


async def test_output_is_followed_even_if_the_first_look_failed(desk: Desk, client: AsyncClient) -> None:
    task = await client.submit("sleep", {"value": 30})
    at = f"**/api/v1/tasks/{task.id}"
    await desk.page.route(at, lambda route: route.abort())
    desk.excuse("Failed to load resource")
    await desk.open(f"/tasks/{task.id}")
    await expect(desk.page.get_by_role("heading", name="No answer")).to_be_visible()
    await desk.page.unroute(at)
    async with desk.page.expect_request(f"{at}/events"):
        await desk.button("Try again").click()
    await client.cancel(task.id)
