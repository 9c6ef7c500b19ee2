"""The dashboard in a real browser (Debian's chromium, headless), over a real API and a real worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright, expect

from service.client import AsyncClient
from tests.e2e.conftest import Service, own_service, service, smtp

__all__ = ["own_service", "service", "smtp"]

PATIENCE_MS = 20_000
DESKTOP, PHONE = (1280, 860), (390, 844)
LOOKS_AT = {name: (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
            for name in ("contrast", "nameless", "structure", "width")}  # fmt: skip
VIOLATIONS = """
    addEventListener("securitypolicyviolation", (event) => {
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
    });
"""

expect.set_options(timeout=PATIENCE_MS)


class Desk:
    """One browser page, what went wrong in it, and what it asked the API."""

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page, self.url = page, url
        self.troubles: list[str] = []
        self.asked: list[str] = []
        self._excused: list[str] = []
        self._pictures = pictures
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("request", self._saw)

    async def open(self, path: str = "/") -> None:
        """Go to a page of the dashboard, and wait until it has drawn itself."""
        await self.page.goto(f"{self.url}/#{path}")
        await expect(self.page.locator(".page, .sign-in form").first).to_be_visible()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    async def toast(self, text: str) -> None:
        await expect(self.page.locator(".toast").filter(has_text=text).first).to_be_visible()

    async def picture(self, name: str) -> None:
        await self.page.screenshot(path=self._pictures / f"{name}.png", full_page=True)

    async def judge(self, name: str) -> None:
        """Keep a picture; fail where something cannot be read, has no name, is out of order, or is too wide."""
        await self.picture(name)
        found = {what: await self.page.evaluate(script) for what, script in LOOKS_AT.items()}
        assert {what: wrong for what, wrong in found.items() if wrong} == {}, name

    def forgive(self, part: str) -> None:
        """What the test itself has caused."""
        self.troubles = [trouble for trouble in self.troubles if part not in trouble]

    def excuse(self, part: str) -> None:
        """What the test is going to cause."""
        self._excused.append(part)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(part in message.text for part in self._excused):
            self.troubles.append(f"{message.type}: {message.text}")

    def _saw(self, request: Request) -> None:
        self.asked.append(f"{request.method} {request.url.removeprefix(self.url)}")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder SCREENSHOTS names, else one that pytest removes."""
    chosen = os.environ.get("SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "these tests need the system package `chromium`"
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium)
        yield launched
        await launched.close()


@pytest.fixture
def look() -> dict[str, Any]:
    """How the browser looks at it; tests override single values."""
    return {"color_scheme": "light", "viewport": {"width": DESKTOP[0], "height": DESKTOP[1]}}


@pytest_asyncio.fixture
async def desk(browser: Browser, service: Service, pictures: Path, look: dict[str, Any]) -> AsyncIterator[Desk]:
    """A desk at the running service. Fails its test where anything was wrong on the console."""
    async with desk_at(browser, service.url, pictures, look) as opened:
        yield opened


@asynccontextmanager
async def desk_at(browser: Browser, url: str, pictures: Path, look: dict[str, Any]) -> AsyncIterator[Desk]:
    context = await browser.new_context(**look)
    await context.add_init_script(VIOLATIONS)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk = Desk(await context.new_page(), url, pictures)
    try:
        yield desk
        assert desk.troubles == []
    finally:
        await context.close()


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[AsyncClient]:
    async with service.client() as opened:
        yield opened


@pytest.fixture
def tag(request: pytest.FixtureRequest) -> str:
    """A tag that only this test's tasks carry."""
    return f"t-{abs(hash(request.node.nodeid)) % 10**8}"
