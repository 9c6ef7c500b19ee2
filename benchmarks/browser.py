"""How late an event is in a page: from the handler's word to an EventSource in Debian's chromium, headless."""

from __future__ import annotations

import os
import shutil
import signal
import sys

import httpx
from playwright.async_api import Page, async_playwright

from benchmarks.ground import API_APP, environment, running, site
from benchmarks.peers.catalogue import SLOTS
from benchmarks.race import Tell
from benchmarks.stage import Stage
from service.cli.process.launch import worker_command
from shared.db.migrate import upgrade
from shared.embedded.ports import LOOPBACK
from shared.embedded.tether import tethered

WORDS, PAUSE_S = 200, 0.03
LIMIT_S = 60.0
LISTEN = """
    (path) => new Promise((resolve, reject) => {
        const late = [], source = new EventSource(path);
        const heard = (read) => ({ data }) => {
            const now = performance.timeOrigin + performance.now();
            for (const word of read(JSON.parse(data)).trim().split(" ")) late.push(now - 1000 * Number(word));
        };
        source.addEventListener("output", heard(({ delta }) => delta));
        source.addEventListener("progress", heard(({ message }) => message));
        source.addEventListener("end", ({ data }) => {
            source.close();
            const { status } = JSON.parse(data);
            status === "COMPLETED" ? resolve(late) : reject(new Error(`the task is ${status}`));
        });
    })
"""
"""Milliseconds from each word said until the page had it. Both read the machine's wall clock."""


async def late_ms(stage: Stage, rounds: int, tell: Tell) -> list[list[float]]:
    """Of each token and each progress of a task that talks, a list a round. Raises: RuntimeError, TimeoutError."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("needs the system package `chromium`")
    await stage.clear()
    await upgrade(stage.database_url)
    env = environment(stage.database_url, stage.redis_url, stage.folder, SLOTS)
    worker = tethered(worker_command(), signal.SIGKILL)
    async with (
        site("api", API_APP, "/health/ready", env, stage.folder, sys.executable) as api,
        running("worker", worker, env, stage.folder, stop_signal=signal.SIGKILL),
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=chromium)
        try:
            page = await browser.new_page(base_url=f"http://{LOOPBACK}:{api.port}")
            page.set_default_timeout(LIMIT_S * 1_000)
            await page.goto("/")
            found = []
            for number in range(1, rounds + 1):
                tell(f"events in a browser, round {number} of {rounds}")
                found.append(await _listen(page, api.port))
            return found
        finally:
            await browser.close()


async def _listen(page: Page, port: int) -> list[float]:
    talk = {"type": "bench_talk", "input": {"words": WORDS, "pause": PAUSE_S}}
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", timeout=10, trust_env=False) as client:
        task = (await client.post("/api/v1/tasks", json=talk)).raise_for_status().json()
    late: list[float] = await page.evaluate(LISTEN, f"/api/v1/tasks/{task['id']}/events")
    if len(late) < WORDS:
        raise RuntimeError(f"{len(late)} of {WORDS} words came")
    return late
