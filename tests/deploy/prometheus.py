"""A real Prometheus over the files of deploy/prometheus: the same jobs and rules, with waits short enough to watch."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from shared.embedded.ports import LOOPBACK, free_port
from tests.support.processes import ROOT, Child, Processes

SHIPPED = ROOT / "deploy" / "prometheus"
NEEDED = "these tests need the system package `prometheus` (apt-get install prometheus): {} was not found"
API, WORKER = "taskrunner-api", "taskrunner-worker"
SCRAPE_SECONDS, WINDOW_SECONDS = 3, 20
FIRES_SECONDS = 90.0
POLL_SECONDS = 0.2


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``. Fails, and names the package, where there is none."""
    found = shutil.which(name)
    assert found, NEEDED.format(name)
    return found


def shortened(rules: str) -> str:
    """The same rules: nothing is waited for, and what is looked back on is seconds. No threshold changes."""
    without_patience = re.sub(r"\bfor: \d+m\b", "for: 0s", rules)
    return re.sub(r"\[\d+m\]", f"[{WINDOW_SECONDS}s]", without_patience)


class Prometheus:
    """One server of a test run. Its configuration is the shipped one but for targets and intervals."""

    def __init__(self, folder: Path) -> None:
        self.targets: dict[str, list[int]] = {API: [], WORKER: []}
        self._folder = folder
        self._port = free_port()
        self._child: Child | None = None

    async def start(self, processes: Processes, key: str) -> None:
        """Ask the API with ``key``."""
        self._folder.mkdir()
        (self._folder / "taskrunner.key").write_text(key)
        (self._folder / "alerts.yml").write_text(shortened((SHIPPED / "alerts.yml").read_text()))
        self._configure()
        where = (f"--web.listen-address={LOOPBACK}:{self._port}", f"--storage.tsdb.path={self._folder / 'data'}")
        configuration = f"--config.file={self._folder / 'prometheus.yml'}"
        self._child = processes.start(program("prometheus"), configuration, *where, "--log.level=warn")
        await self._child.wait_for_http(f"http://{LOOPBACK}:{self._port}/-/ready")
        await self._scraped()

    @asynccontextmanager
    async def watching(self, **targets: Sequence[int]) -> AsyncIterator[None]:
        """With other targets meanwhile: ``api`` and ``worker`` ports."""
        before = dict(self.targets)
        self.targets |= {f"taskrunner-{job}": list(ports) for job, ports in targets.items()}
        self._reload()
        await self._scraped()
        try:
            yield
        finally:
            self.targets = before
            self._reload()

    async def firing(self) -> dict[str, dict[str, str]]:
        """The annotations of what fires, by alert."""
        alerts = (await self._asked("alerts"))["alerts"]
        return {one["labels"]["alertname"]: one["annotations"] for one in alerts if one["state"] == "firing"}

    async def seen(self, *names: str, timeout: float = FIRES_SECONDS) -> None:
        """Wait until each of these was seen firing, not necessarily all at one time."""
        left, deadline = set(names), time.monotonic() + timeout
        while left:
            for name, said in (await self.firing()).items():
                assert "<error" not in said["summary"] + said["description"], said
                left.discard(name)
            assert not left or time.monotonic() < deadline, f"not firing within {timeout:g} s: {sorted(left)}"
            await asyncio.sleep(POLL_SECONDS)

    async def quiet(self, *names: str, timeout: float = FIRES_SECONDS) -> None:
        """Wait until none of these fires."""
        deadline = time.monotonic() + timeout
        while loud := set(names) & (await self.firing()).keys():
            assert time.monotonic() < deadline, f"still firing after {timeout:g} s: {sorted(loud)}"
            await asyncio.sleep(POLL_SECONDS)

    async def _asked(self, what: str, **given: str) -> Any:
        async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{self._port}", timeout=10, trust_env=False) as http:
            return (await http.get(f"/api/v1/{what}", params=given)).raise_for_status().json()["data"]

    async def _scraped(self) -> None:
        """Wait until each target was seen well: what grew before its first scrape has not grown, for Prometheus."""
        wanted = {f"{LOOPBACK}:{port}" for ports in self.targets.values() for port in ports}
        deadline = time.monotonic() + FIRES_SECONDS
        while wanted - {one["metric"]["instance"] for one in (await self._asked("query", query="up == 1"))["result"]}:
            assert time.monotonic() < deadline, f"not scraped within {FIRES_SECONDS:g} s: {wanted}"
            await asyncio.sleep(POLL_SECONDS)

    def _reload(self) -> None:
        self._configure()
        assert self._child is not None
        self._child.send(signal.SIGHUP)

    def _configure(self) -> None:
        configuration: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
        often = f"{SCRAPE_SECONDS}s"
        configuration["global"] = {"scrape_interval": often, "scrape_timeout": often, "evaluation_interval": "1s"}
        for job in configuration["scrape_configs"]:
            addresses = [f"{LOOPBACK}:{port}" for port in self.targets[job["job_name"]]]
            job["static_configs"] = [{"targets": addresses}]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
