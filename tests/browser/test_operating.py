"""Queues, workers, schedules, webhooks and the submit form: every action of the dashboard, on real servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Route, expect

from service.client import AsyncClient
from tests.browser.conftest import Desk
from tests.e2e.conftest import Service
from tests.support.receiver import Receiver

SUM = {"a": 2, "b": 3, "operation": "add"}


async def test_a_queue_is_paused_purged_and_resumed(desk: Desk, client: AsyncClient) -> None:
    await desk.open("/queues")
    row = desk.row("urgent")
    await row.get_by_role("button", name="Pause", exact=True).click()
    await desk.toast("urgent is paused")
    await expect(row).to_contain_text("Paused")
    tasks = [await client.submit("simple_calculation", SUM, queue="urgent") for _ in range(2)]
    await row.get_by_role("button", name="Purge …").click()
    await expect(desk.dialog).to_contain_text("Cancels 2 tasks")
    await desk.judge("dialog-desktop-light")
    await desk.dialog.get_by_role("button", name="Cancel 2 tasks").click()
    await desk.toast("2 tasks cancelled")
    assert {(await client.get(task.id)).status for task in tasks} == {"CANCELLED"}
    await row.get_by_role("button", name="Purge …").click()
    await desk.toast("Nothing waits")
    await row.get_by_role("button", name="Resume", exact=True).click()
    await expect(row.get_by_role("button", name="Pause", exact=True)).to_be_visible()


async def test_a_worker_is_drained(desk: Desk, service: Service, client: AsyncClient) -> None:
    before = {worker.id for worker in await client.workers()}
    process = await service.start_worker()
    [fresh] = [worker for worker in await client.workers() if worker.id not in before]
    await desk.open("/workers")
    card = desk.page.locator(f'[data-key="{fresh.id}"]')
    await expect(card).to_contain_text("Heartbeat")
    await card.get_by_role("button", name="Drain …").click()
    await desk.dialog.get_by_role("button", name="Drain the worker").click()
    assert await process.wait() == 0
    await expect(card).to_have_count(0)


async def test_a_schedule_lives_and_dies(desk: Desk, client: AsyncClient) -> None:
    await desk.open("/schedules")
    await desk.button("New schedule …").click()
    await desk.dialog.get_by_label("Name").fill("by-hand")
    await desk.dialog.get_by_label("Task type").select_option("simple_calculation")
    await desk.dialog.get_by_label("Cron").fill("61 * * * *")
    await desk.dialog.get_by_label("Input").fill('{"a": 6, "b": 7, "operation": "multiply"}')
    await desk.button("Create").click()
    cron = desk.dialog.locator(".field").filter(has=desk.page.get_by_label("Cron"))
    await expect(cron.locator(".wrong")).to_be_visible()
    desk.forgive("422")
    await desk.dialog.get_by_label("Cron").fill("0 3 * * *")
    await desk.judge("schedule-form-desktop-light")
    await desk.button("Create").click()
    row = desk.row("by-hand")
    await expect(row).to_contain_text("0 3 * * *")
    await row.get_by_role("button", name="Edit …").click()
    await desk.dialog.get_by_label("Cron").fill("")
    await desk.dialog.get_by_label("Every … seconds").fill("3600")
    await desk.button("Save").click()
    await expect(row).to_contain_text("every 1 h")
    await row.get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("Paused")
    await row.get_by_role("button", name="Resume").click()
    await expect(row).not_to_contain_text("Paused")
    await row.get_by_role("button", name="Delete …").click()
    await desk.dialog.get_by_role("button", name="Back", exact=True).click()
    await row.get_by_role("button", name="Run now").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_contain_text('"result": 42')
    await desk.open("/schedules")
    await row.get_by_role("button", name="Delete …").click()
    await desk.button("Delete the schedule").click()
    await expect(row).to_have_count(0)


async def test_the_form_says_what_is_wrong_where_it_is(desk: Desk) -> None:
    await desk.open("/submit")
    await desk.page.get_by_label("Task type").select_option("simple_calculation")
    await desk.page.get_by_label("a", exact=True).fill("6")
    await desk.button("Submit the task").click()
    wrong = desk.page.locator(".field").filter(has=desk.page.get_by_label("b", exact=True)).locator(".wrong")
    await expect(wrong).to_contain_text("required")
    await expect(desk.page.get_by_label("b", exact=True)).to_be_focused()
    desk.forgive("422")
    await desk.page.get_by_label("b", exact=True).fill("7")
    await desk.button("JSON").click()
    box = desk.page.get_by_label("Input", exact=True)
    assert '"b": 7' in await box.input_value()
    await box.fill('{"a": 6, ')
    await desk.button("Form").click()
    await expect(desk.page.get_by_text("The input is not JSON")).to_be_visible()
    await box.fill('{"a": 6, "b": 8, "operation": "multiply"}')
    await desk.button("Form").click()
    await expect(desk.page.get_by_label("b", exact=True)).to_have_value("8")
    await desk.page.get_by_text("How it shall run").click()
    await desk.page.get_by_label("Tags").fill("form, browser")
    await desk.page.get_by_label("Priority").fill("1")
    await desk.judge("submit-filled-desktop-light")
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_contain_text('"result": 48')
    await expect(desk.page.get_by_role("link", name="browser")).to_be_visible()


async def test_what_is_half_written_is_not_taken_for_nothing(desk: Desk) -> None:
    await desk.open("/submit")
    await desk.page.get_by_label("Task type").select_option("simple_calculation")
    await desk.button("Fill in an example").click()
    await desk.page.get_by_text("How it shall run").click()
    for label, keys in {"Run at": "12", "Delay": "1e"}.items():
        box = desk.page.get_by_label(label)
        await box.press_sequentially(keys)
        await desk.button("Submit the task").click()
        await expect(desk.page.get_by_text(f"{label}: what is written there is not complete.")).to_be_visible()
        await box.fill("")
    assert [one for one in desk.asked if one.startswith("POST")] == []


async def test_a_submit_without_an_answer_is_not_made_twice(desk: Desk, client: AsyncClient, tag: str) -> None:
    keys: list[str | None] = []

    async def lose_the_first_answer(route: Route) -> None:
        keys.append(await route.request.header_value("Idempotency-Key"))
        if len(keys) == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await desk.page.route("**/api/v1/tasks", lose_the_first_answer)
    desk.excuse("Failed to load resource")
    await desk.open("/submit")
    await desk.page.get_by_label("Task type").select_option("simple_calculation")
    await desk.button("Fill in an example").click()
    await desk.page.get_by_text("How it shall run").click()
    await desk.page.get_by_label("Tags").fill(tag)
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_text("The service cannot be reached")).to_be_visible()
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert len([task async for task in client.list(tag=tag)]) == 1


async def test_who_leaves_a_question_hears_of_its_end(desk: Desk, client: AsyncClient) -> None:
    answered = asyncio.Event()

    async def hold(route: Route) -> None:
        if "dry_run" not in route.request.url:
            await answered.wait()
        await route.continue_()

    await client.pause_queue("urgent")
    await client.submit("simple_calculation", SUM, queue="urgent")
    await desk.page.route("**/queues/urgent/tasks*", hold)
    await desk.open("/queues")
    await desk.row("urgent").get_by_role("button", name="Purge …").click()
    await desk.button("Cancel 1 task").click()
    await desk.page.keyboard.press("Escape")
    await expect(desk.dialog).to_have_count(0)
    answered.set()
    await desk.toast("1 task cancelled")
    await client.resume_queue("urgent")


async def test_every_type_has_a_form_and_its_example_fits(desk: Desk, client: AsyncClient) -> None:
    await desk.open("/submit")
    for kind in await client.task_types():
        await desk.page.get_by_label("Task type").select_option(kind.name)
        await desk.button("Fill in an example").click()
        await desk.button("JSON").click()
        await expect(desk.page.get_by_label("Input", exact=True)).not_to_have_value("")
        await desk.button("Form").click()


async def test_a_file_is_uploaded_from_the_form(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "cities.csv").write_text("city,price\nOslo,12\nRome,9\n")
    await desk.open("/submit")
    await desk.page.get_by_label("Task type").select_option("process_file_upload")
    await desk.page.get_by_label("Upload for file_id").set_input_files(tmp_path / "cities.csv")
    await desk.toast("cities.csv is uploaded")
    await desk.button("Submit the task").click()
    await expect(desk.page.get_by_label("the result", exact=True)).to_contain_text("cities.csv")


async def test_webhooks_are_shown_replayed_and_their_secret_rotated(desk: Desk, client: AsyncClient) -> None:
    async with Receiver() as receiver:
        task = await client.submit("simple_calculation", SUM, callback_url=receiver.url)
        await client.wait(task.id, timeout=30)
        await desk.open(f"/webhooks?task={task.id}")
        await expect(desk.row("task.completed")).to_contain_text("Delivered")
        await desk.page.get_by_text("last: 204").click()
        await desk.judge("webhooks-filled-desktop-light")
        frame = desk.page.locator(".table")
        assert await frame.evaluate("(node) => node.scrollWidth <= node.clientWidth"), "all of a row can be seen"
        await desk.button("Send again").click()
        await desk.toast("sent again")
        await expect(desk.row("task.completed")).to_contain_text("Delivered")
        await desk.open(f"/tasks/{task.id}")
        await expect(desk.row("task.completed")).to_contain_text("Delivered")
    await desk.open("/webhooks")
    await desk.button("Show the secret").click()
    secret = desk.page.locator(".secret code")
    before = await secret.inner_text()
    assert before.startswith("whsec_")
    await desk.button("Rotate …").click()
    await desk.button("Rotate the secret").click()
    await expect(secret).not_to_have_text(before)
    await expect(desk.page.get_by_text("Still signs")).to_contain_text(before)
    await desk.button("Hide").click()
    await expect(secret).to_have_count(0)


async def test_webhooks_of_all_tasks_are_filtered_and_those_that_failed_sent_again(
    desk: Desk, client: AsyncClient
) -> None:
    async with Receiver(always=410) as receiver:
        tasks = [await client.submit("simple_calculation", SUM, callback_url=receiver.url) for _ in range(2)]
        for task in tasks:
            await client.wait(task.id, timeout=30)
        await desk.open("/webhooks")
        await desk.button("Gone").click()
        await expect(desk.button("Gone")).to_have_attribute("aria-pressed", "true")
        ours = desk.page.get_by_role("row").filter(has_text=f":{receiver.port}/")
        await expect(ours).to_have_count(2)
        await desk.judge("webhooks-gone-desktop-light")
        receiver.always = 204
        await desk.button("Send the 2 that failed again …").click()
        await desk.dialog.get_by_role("button", name="Send 2 webhooks").click()
        await desk.toast("2 webhooks on the way again")
        await expect(ours).to_have_count(0)
        await desk.button("Gone").click()
        await expect(ours.filter(has_text="Delivered")).to_have_count(2)
        await ours.filter(has_text=str(tasks[0].id)[-8:]).get_by_role("link").click()
        await expect(desk.page.get_by_role("heading", level=1)).to_contain_text(str(tasks[0].id)[-8:])
