"""One fault's scene: a fresh Valkey for everybody, a database of it for each, and our API and PostgreSQL beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.db.migrate import upgrade
from shared.embedded.ports import free_port
from shared.embedded.postgres import Postgres
from shared.embedded.valkey import Valkey
from tests.peers.contender import PEERS, SLOTS, Contender, Ours, Running
from tests.peers.venvs import python_of
from tests.support.faults import Store
from tests.support.processes import Processes


@dataclass(frozen=True)
class Scene:
    """``turn`` is held by whoever starts processes: on two cores they would wait for each other anyway."""

    valkey: Store
    contenders: list[Contender]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def each(self, act: Callable[[Contender], Awaitable[str]]) -> dict[str, str]:
        """What ``act`` says of each contender, all at the same time. One that fails says so."""

        async def said(contender: Contender) -> str:
            try:
                return await act(contender)
            except AssertionError as error:
                return f"failed: {str(error).splitlines()[0]}"

        answers = await asyncio.gather(*(said(contender) for contender in self.contenders))
        return {contender.name: answer for contender, answer in zip(self.contenders, answers, strict=True)}


@asynccontextmanager
async def opened(folder: Path, cache: Path) -> AsyncIterator[Scene]:
    """Start the stores and our API in ``folder``; workers are the case's own. All of it ends with the block."""
    processes = Processes()
    async with AsyncExitStack() as stack:
        # As it is installed: no append-only file, snapshots at the default moments.
        valkey = await stack.enter_async_context(Store(Valkey(folder / "valkey", settings={"appendonly": "no"})))
        postgres = await stack.enter_async_context(Store(Postgres(folder / "postgres")))
        await upgrade(postgres.url)
        stack.callback(processes.reap_all)
        base = valkey.url.removesuffix("/0")
        contenders: list[Contender] = [await _ours(folder, postgres.url, base, processes)]
        for number, peer in enumerate(PEERS, start=2):
            python = await python_of(peer.venv, peer.pins, cache)
            contenders.append(Running(peer, python, f"{base}/{number}", folder / f"ledger-{number}", processes))
        yield Scene(valkey, contenders)


async def _ours(folder: Path, database_url: str, redis_base: str, processes: Processes) -> Ours:
    env = {
        "DATABASE_URL": database_url,
        "REDIS_URL": f"{redis_base}/0",
        "REDIS_RESULT_URL": f"{redis_base}/1",
        "TASKRUNNER_STORAGE_DIR": str(folder / "files"),
        "TASKRUNNER_SECRET_KEY": "a secret of the tests",
        "TASKRUNNER_CONCURRENCY": str(SLOTS),
        "TASKRUNNER_MAX_TASKS_PER_WORKER": "0",
        "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks",
        "PYTHONPATH": ".",
    }
    port = free_port()
    api = processes.api(port, env)
    await api.wait_for_http(f"http://127.0.0.1:{port}/health/ready", timeout=60)
    return Ours(f"http://127.0.0.1:{port}", env, folder / "ledger-0", processes)
