"""The ground measured on: PostgreSQL and Valkey from pip, the yardstick, the API, a worker: as production runs them.

Everything lies in one temporary folder, listens on loopback, and ends with the block that started it, Ctrl-C
included; the tether ends it even when this process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.cli.process.launch import api_command, worker_command
from shared.db.migrate import upgrade
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.postgres import Postgres
from shared.embedded.server import Server
from shared.embedded.tether import tethered
from shared.embedded.valkey import Valkey

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
DURABLE = {"fsync": "on", "synchronous_commit": "on"}
API_APP, YARDSTICK_APP = "service.app:create_app", "benchmarks.yardstick:create_app"


@dataclass(frozen=True)
class Site:
    """An HTTP server under load."""

    port: int
    pid: int


@dataclass(frozen=True)
class Ground:
    """Running stores and sites. Workers come and go: ``worker`` starts one."""

    folder: Path
    database_url: str
    redis_url: str
    env: Mapping[str, str]
    api: Site
    yardstick: Site

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[Process]:
        """One worker, ready; told to stop and gone when the block ends."""
        port = free_port()
        env = {**self.env, "TASKRUNNER_WORKER_HEALTH_PORT": str(port)}
        async with running("worker", tethered(worker_command(), signal.SIGKILL), env, self.folder) as process:
            await _until_ready(process, f"http://{LOOPBACK}:{port}/health/ready", self.folder / "worker.log")
            yield process


@contextlib.asynccontextmanager
async def prepared(folder: Path, concurrency: int) -> AsyncIterator[Ground]:
    """Start everything but a worker below ``folder``."""
    async with contextlib.AsyncExitStack() as stack:
        postgres, valkey = await stack.enter_async_context(stores(folder))
        await upgrade(postgres)
        env = environment(postgres, valkey, folder, concurrency)
        yardstick = await stack.enter_async_context(site("yardstick", YARDSTICK_APP, "/docs", env, folder))
        api = await stack.enter_async_context(site("api", API_APP, "/health/ready", env, folder))
        yield Ground(folder, postgres, valkey, env, api, yardstick)


@contextlib.asynccontextmanager
async def stores(folder: Path, settings: Mapping[str, str] = DURABLE) -> AsyncIterator[tuple[str, str]]:
    """PostgreSQL and Valkey, and where they answer."""
    postgres, valkey = Postgres(folder / "postgres", settings=settings), Valkey(folder / "valkey")
    async with _serving("postgres", postgres, folder), _serving("valkey", valkey, folder):
        yield postgres.url, valkey.url


def environment(database_url: str, redis_url: str, folder: Path, concurrency: int) -> dict[str, str]:
    """Defaults but for the addresses, the slots, and recycling: a fresh worker per 1,000 tasks would measure starts."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKRUNNER_")}
    return inherited | {
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_RESULT_URL": redis_url.removesuffix("/0") + "/1",
        "TASKRUNNER_STORAGE_DIR": str(folder / "files"),
        "TASKRUNNER_TASK_MODULES": "benchmarks.noop,benchmarks.talk",
        "TASKRUNNER_CONCURRENCY": str(concurrency),
        "TASKRUNNER_MAX_TASKS_PER_WORKER": "0",
        "TASKRUNNER_LOG_FORMAT": "json",
    }


@contextlib.asynccontextmanager
async def _serving(name: str, server: Server, folder: Path) -> AsyncIterator[None]:
    await asyncio.to_thread(server.prepare)
    command = server.command()
    async with running(name, command.argv, command.env, folder, stop_signal=command.stop_signal):
        await server.wait_ready(START_TIMEOUT_S)
        yield


@contextlib.asynccontextmanager
async def site(
    name: str, app: str, path: str, env: Mapping[str, str], folder: Path, python: str = sys.executable
) -> AsyncIterator[Site]:
    """``app`` behind uvicorn, with the options ours has."""
    port = free_port()
    changed = {API_APP: app, sys.executable: python}
    command = [changed.get(part, part) for part in api_command("--host", LOOPBACK, "--port", str(port))]
    async with running(name, tethered(command, signal.SIGKILL), env, folder) as process:
        await _until_ready(process, f"http://{LOOPBACK}:{port}{path}", folder / f"{name}.log")
        yield Site(port, process.pid)


@contextlib.asynccontextmanager
async def running(
    name: str, argv: Sequence[str], env: Mapping[str, str], folder: Path, *, stop_signal: int = signal.SIGTERM
) -> AsyncIterator[Process]:
    """A process in a session of its own (the terminal's Ctrl-C reaches us alone), with its output in a file."""
    with (folder / f"{name}.log").open("ab") as log:
        # In the folder, where no .env of the developer's is found.
        process = await asyncio.create_subprocess_exec(
            *argv, env=dict(env), cwd=folder, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        await _end(process, stop_signal)


async def _end(process: Process, stop_signal: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    finally:
        # Whatever it left of its session: all of it when it ignored us, a pool's children when it died.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _until_ready(process: Process, url: str, log: Path) -> None:
    """Raises: RuntimeError, with the last lines of the log."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT_S):
                while process.returncode is None:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get(url)).status_code == 200:
                            return
                    await asyncio.sleep(0.05)
    said = log.read_text(errors="replace")[-2_000:]  # noqa: ASYNC240 - we end here
    raise RuntimeError(f"{log.stem} did not become ready:\n{said}")
