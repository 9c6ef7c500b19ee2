"""Where each queue is measured: one PostgreSQL and one Valkey for all, emptied between them; its processes; its costs.

Workers are started by the library's own command and killed at the end: what they leave is thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import redis.asyncio

from benchmarks.ground import DURABLE, ROOT, environment, running, stores
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.ledger import FOLDER, Ledger
from shared.embedded.tether import tethered

SETTINGS = {**DURABLE, "shared_preload_libraries": "pg_stat_statements", "max_wal_size": "4GB"}
"""Statements are counted; no checkpoint of one queue's making falls into another's time."""
STATEMENTS = """
    SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1
"""
DATABASE = "bench"
DEATH = signal.SIGKILL
ASK_LIMIT_S = 60.0
CALM_CORES, CALM_LOOK_S, CALM_LIMIT_S = 0.25, 0.5, 20.0
LOOK_S = 0.01


@dataclass(frozen=True)
class Cost:
    """What workers had used when so many tasks were entered: CPU of them all, and requests that reached a store."""

    tasks: int
    cpu_s: float
    trips: int

    def since(self, before: Cost) -> Cost:
        return Cost(self.tasks - before.tasks, self.cpu_s - before.cpu_s, self.trips - before.trips)


class Stage:
    """Both stores, and who may see everything in them. ``async with opened(folder) as stage``."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, admin: asyncpg.Connection) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.database_url = database_url.rpartition("/")[0] + f"/{DATABASE}"
        self.redis_url = redis_url
        self.admin = admin
        self.redis = redis.asyncio.Redis.from_url(redis_url, socket_timeout=10)

    @contextlib.asynccontextmanager
    async def fresh(self, peer: Peer, python: Path) -> AsyncIterator[Play]:
        """An empty database with the peer's tables, an empty Valkey, an empty ledger."""
        await self.clear()
        play = Play(self, peer, python)
        await play.ask("prepare")
        yield play

    async def clear(self) -> None:
        await self.admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await self.admin.execute(f"CREATE DATABASE {DATABASE} OWNER taskrunner")
        await self.redis.flushall()
        self.ledger.clear()

    async def trips(self) -> int:
        """Statements PostgreSQL ran, and reads from sockets by Valkey: a pipeline is one."""
        return await self.statements() + int((await self.redis.info("stats"))["total_reads_processed"])

    async def statements(self) -> int:
        return int(await self.admin.fetchval(STATEMENTS, DATABASE))

    async def commands(self) -> int:
        """Commands Valkey ran, those inside scripts included."""
        return int((await self.redis.info("stats"))["total_commands_processed"])


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Stage]:
    (folder / "ledger").mkdir()
    async with stores(folder, SETTINGS) as (database_url, redis_url):
        admin = await _superuser(folder / "postgres", database_url)
        await admin.execute("CREATE EXTENSION pg_stat_statements")
        stage = Stage(folder, database_url, redis_url, admin)
        try:
            yield stage
        finally:
            await stage.redis.aclose()
            await admin.close(timeout=5)


class Play:
    """One peer on the stage."""

    def __init__(self, stage: Stage, peer: Peer, python: Path) -> None:
        self.stage = stage
        self._peer = peer
        self._python = python
        self._env = _environment(stage, peer)

    async def ask(self, *given: str) -> dict[str, Any]:
        """Run the adapter. Raises: RuntimeError, with what it said; TimeoutError."""
        command = (str(self._python), "-m", "benchmarks.peers", self._peer.module, *given)
        process = await asyncio.create_subprocess_exec(
            *command, env=self._env, cwd=self.stage.folder, stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(ASK_LIMIT_S):
                out, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(given)}: {_last_line(complaint.decode(errors='replace'))}")
        answer: dict[str, Any] = json.loads(out) if out else {}
        return answer

    @contextlib.asynccontextmanager
    async def workers(self, count: int = 1) -> AsyncIterator[Crew]:
        """So many worker processes, each as its library starts one; perhaps not yet up."""
        name, *arguments = self._peer.worker
        command = (str(self._python.with_name(name)), *arguments)
        async with contextlib.AsyncExitStack() as stack:
            started = [
                await stack.enter_async_context(
                    running("peer", tethered(command, DEATH), self._env, self.stage.folder, stop_signal=DEATH)
                )
                for _ in range(count)
            ]
            yield Crew(self.stage, started)

    async def left(self) -> int:
        """Tasks that are not settled."""
        if not self._peer.is_durable:
            return int(await self.stage.redis.eval(self._peer.left, 0))
        connection = await asyncpg.connect(plain(self.stage.database_url), timeout=10)
        try:
            return int(await connection.fetchval(self._peer.left))
        finally:
            await connection.close(timeout=5)


class Crew:
    """Workers under measurement."""

    def __init__(self, stage: Stage, processes: list[Process]) -> None:
        self._stage = stage
        self._processes = processes

    async def cost(self) -> Cost:
        # The stores answer a moment later: what can be read at once is.
        return Cost(self._stage.ledger.count, self._cpu_s(), await self._stage.trips())

    @property
    def memory_mib(self) -> float:
        """Pages shared between processes are counted once."""
        return sum(self._of_each(lambda one: one.memory_full_info().pss)) / 2**20

    async def until(self, come: Callable[[], bool], limit_s: float) -> bool:
        """Whether it came in time. Raises: RuntimeError, when a worker ended."""
        gives_up_at = time.monotonic() + limit_s
        while not come():
            if any(process.returncode is not None for process in self._processes):
                said = (self._stage.folder / "peer.log").read_text(errors="replace")
                raise RuntimeError(f"its worker ended: {_last_line(said)}")
            if time.monotonic() > gives_up_at:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def calm(self) -> None:
        """Return once they are up: they hardly use the processor any more."""
        gives_up_at = time.monotonic() + CALM_LIMIT_S
        before, used = 0.0, 1.0
        while used > CALM_CORES * CALM_LOOK_S and time.monotonic() < gives_up_at:
            await asyncio.sleep(CALM_LOOK_S)
            before, used = self._cpu_s(), self._cpu_s() - before

    def signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            os.killpg(process.pid, number)

    def _cpu_s(self) -> float:
        return sum(self._of_each(lambda one: sum(one.cpu_times()[:2])))

    def _of_each(self, read: Callable[[psutil.Process], float]) -> Iterator[float]:
        """Of the workers and their children; a child may end while we look."""
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                yield read(one)

    def _family(self) -> list[psutil.Process]:
        heads = [psutil.Process(process.pid) for process in self._processes]
        return [*heads, *(child for head in heads for child in head.children(recursive=True))]


def plain(url: str) -> str:
    """As every driver but SQLAlchemy's reads it."""
    return url.replace("+asyncpg", "", 1)


def _environment(stage: Stage, peer: Peer) -> Mapping[str, str]:
    """Ours reads its own variables, an adapter those of ``protocol``."""
    own = environment(stage.database_url, stage.redis_url, stage.folder, peer.slots)
    return own | {
        "PYTHONPATH": str(ROOT),
        FOLDER: str(stage.ledger.folder),
        "BENCH_SLOTS": str(peer.slots),
        "BENCH_VARIANT": peer.variant,
        "BENCH_REDIS": stage.redis_url,
        "BENCH_POSTGRES": plain(stage.database_url),
    }


async def _superuser(data_dir: Path, database_url: str) -> asyncpg.Connection:
    """Counting statements is its privilege alone."""
    password = (data_dir / "superuser-password").read_text(encoding="utf-8").strip()
    host = plain(database_url).partition("@")[2].partition("/")[0]
    return await asyncpg.connect(f"postgresql://postgres:{password}@{host}/postgres", timeout=10)


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no word"
