"""Whole services in turn, under one load: POST with and without a worker, what is finished meanwhile, GET of a task.

The load client is one process beside them on the same cores, the same for all; its own ceiling is measured too.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
import httpx
import psutil

from benchmarks.ground import ROOT, Site, environment, running, site
from benchmarks.load import Load, Measured, run_apart
from benchmarks.peers.catalogue import SLOTS
from benchmarks.race import Distance, Tell, Track, rounds
from benchmarks.services.catalogue import Service
from benchmarks.stage import Stage, plain
from benchmarks.venvs import environment as python_of
from shared.db.migrate import upgrade
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.tether import tethered

CONNECTIONS = 64
BATCH, BATCH_CONNECTIONS = 1_000, 4
LAP_LIMIT_S = 90.0
FIRST_LIMIT_S, CATCH_UP_S = 30.0, 10.0
CEILING_S = 1.0
COMPLETED = "SELECT count(*) FROM tasks WHERE status = 'COMPLETED'"


async def tour(
    stage: Stage, services: Sequence[Service], distance: Distance, seconds: float, tell: Tell
) -> dict[str, Track]:
    """Every service's figures, by its name; ``seconds`` of load in each measure."""
    tracks = {service.name: Track() for service in services}
    for number in rounds(distance):
        for service in services:
            track = tracks[service.name]
            if track.failure is not None:
                continue
            tell(f"services, round {number} of {distance.rounds}: {service.name}")
            try:
                python = await python_of(service.environment, service.packages, tell)
                async with asyncio.timeout(LAP_LIMIT_S):
                    await _lap(stage, service, python, seconds, track)
            except Exception as error:  # noqa: BLE001 - whatever a foreign library does ends its own track only
                track.fail(f"round {number}", error)
                tell(f"{service.name} FAILED, {track.failure}")
    return tracks


async def _lap(stage: Stage, service: Service, python: Path, seconds: float, track: Track) -> None:
    await stage.clear()
    env = _environment(stage)
    if service.app == "service.app:create_app":
        await upgrade(stage.database_url)
    async with site("service", service.app, "/openapi.json", env, stage.folder, str(python)) as served:
        visit = _Visit(served, service, seconds, track)
        if service.worker:
            worker = tethered((str(python), *service.worker), signal.SIGKILL)
            async with running("service-worker", worker, env, stage.folder, stop_signal=signal.SIGKILL):
                path = await visit.first_completed()
                await visit.end_to_end(stage)
                await visit.load("get", "GET", path, 200)
        else:
            await visit.load("get", "GET", f"{service.path}/00000000-0000-7000-8000-000000000000", 200)
        await visit.load("post", "POST", service.path, 201)
        if service.batch_path:
            await visit.batches()


class _Visit:
    """One service, up and asked."""

    def __init__(self, served: Site, service: Service, seconds: float, track: Track) -> None:
        self._served, self._service, self._seconds, self._track = served, service, seconds, track

    async def first_completed(self) -> str:
        """The path of a task that is done: its worker is up. Raises: TimeoutError."""
        url = f"http://{LOOPBACK}:{self._served.port}"
        async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
            headers = {"content-type": "application/json"}
            answer = await client.post(self._service.path, content=self._service.body, headers=headers)
            path = f"{self._service.path}/{answer.raise_for_status().json()['id']}"
            async with asyncio.timeout(FIRST_LIMIT_S):
                while (await client.get(path)).raise_for_status().json()["status"] != "COMPLETED":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # another process ends it
        return path

    async def end_to_end(self, stage: Stage) -> None:
        """POSTs while a worker runs; and tasks done a second, from the first POST until all are, or we give up."""
        connection = await asyncpg.connect(plain(stage.database_url), timeout=10)
        try:
            began_at, before = time.monotonic(), await connection.fetchval(COMPLETED)
            measured = await self.load("post_busy", "POST", self._service.path, 201)
            gives_up_at = time.monotonic() + CATCH_UP_S
            done = 0
            while done < measured.answers and time.monotonic() < gives_up_at:
                done = await connection.fetchval(COMPLETED) - before
                await asyncio.sleep(0.05)
            self._track.note("finished", done / (time.monotonic() - began_at))
        finally:
            await connection.close(timeout=5)

    async def batches(self) -> None:
        """Tasks a second, in bodies of a thousand."""
        body = f'{{"tasks": [{", ".join([self._service.body] * BATCH)}]}}'
        path = self._service.batch_path
        measured = await run_apart(Load(self._served.port, "POST", path, body, 201, BATCH_CONNECTIONS, self._seconds))
        self._track.note("batch", measured.rate * BATCH)

    async def load(self, name: str, method: str, path: str, status: int) -> Measured:
        body = self._service.body if method == "POST" else ""
        before = _cpu_s(self._served.pid)
        measured = await run_apart(Load(self._served.port, method, path, body, status, CONNECTIONS, self._seconds))
        self._track.note(name, measured.rate)
        self._track.note(f"{name}_p50", measured.p50_ms)
        self._track.note(f"{name}_p99", measured.p99_ms)
        self._track.note(f"{name}_cpu", (_cpu_s(self._served.pid) - before) * 1e6 / measured.answers)
        return measured


async def ceiling(folder: Path) -> float:
    """Requests a second the load client sends to a server that costs nothing."""
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.ceiling", str(port))
    async with running("ceiling", tethered(command, signal.SIGKILL), {"PYTHONPATH": str(ROOT)}, folder):
        await _listens(port)
        return (await run_apart(Load(port, "GET", "/", "", 200, CONNECTIONS, CEILING_S))).rate


async def _listens(port: int) -> None:
    async with asyncio.timeout(FIRST_LIMIT_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def _environment(stage: Stage) -> Mapping[str, str]:
    env = environment(stage.database_url, stage.redis_url, stage.folder, SLOTS)
    return env | {"BENCH_REDIS": stage.redis_url, "BENCH_POSTGRES": plain(stage.database_url)}


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
