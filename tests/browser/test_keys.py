"""Keys in the dashboard: the first one closes the house and leaves its maker inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Browser, expect

from tests.browser.conftest import desk_at
from tests.e2e.conftest import Service


async def test_keys_are_made_rotated_and_revoked(
    browser: Browser, own_service: Service, pictures: Path, look: dict[str, Any]
) -> None:
    await own_service.start_api()
    async with desk_at(browser, own_service.url, pictures, look) as desk:
        await desk.open("/keys")
        await expect(desk.page.get_by_role("heading", name="No key exists")).to_be_visible()
        await desk.button("New key …").click()
        await desk.dialog.get_by_label("Name").fill("first")
        await expect(desk.dialog.get_by_label("admin")).to_be_checked()
        await desk.button("Create the key").click()
        secret = desk.page.locator(".secret code")
        await expect(secret).to_contain_text("trk_")
        await desk.button("I have kept it").click()
        await expect(secret).to_have_count(0)
        await expect(desk.page.get_by_text("Signed in with")).to_be_visible()
        await desk.page.reload()
        await expect(desk.row("first")).to_contain_text("yours")
        await desk.button("New key …").click()
        await desk.dialog.get_by_label("Name").fill("team")
        await desk.button("Create the key").click()
        await expect(desk.row("team")).to_contain_text("write")
        await desk.judge("keys-filled-desktop-light")
        await desk.row("team").get_by_role("button", name="Rotate …").click()
        await desk.button("Rotate the key").click()
        await expect(desk.row("team")).to_have_count(2)
        await desk.row("team").first.get_by_role("button", name="Revoke …").click()
        await desk.button("Revoke the key").click()
        await expect(desk.row("team")).to_have_count(1)
        await desk.open("/audit")
        await expect(desk.row("key.").first).to_be_visible()
        await desk.judge("audit-filled-desktop-light")


async def test_who_rotates_the_key_they_came_with_goes_on_with_the_new_one(
    browser: Browser, own_service: Service, pictures: Path, look: dict[str, Any]
) -> None:
    await own_service.start_api()
    async with desk_at(browser, own_service.url, pictures, look) as desk:
        await desk.open("/keys")
        await desk.button("New key …").click()
        await desk.dialog.get_by_label("Name").fill("mine")
        await desk.button("Create the key").click()
        await desk.button("I have kept it").click()
        await desk.row("mine").get_by_role("button", name="Rotate …").click()
        await desk.dialog.get_by_label("Overlap in hours").fill("0")
        await desk.button("Rotate the key").click()
        secret = await desk.page.locator(".secret code").inner_text()
        fresh = secret.removeprefix("trk_").partition(".")[0]
        await expect(desk.page.get_by_text(f"Signed in with {fresh}")).to_be_visible()
        await expect(desk.row(fresh)).to_contain_text("yours")
