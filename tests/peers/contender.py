"""What a fault needs of a queue: start a worker with ten slots, submit tasks, and a ledger that its tasks write to."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from shared.embedded.ports import free_port
from tests.support.evidence import ledger_of
from tests.support.facts import Effect
from tests.support.processes import ROOT, Child, Processes

SLOTS = 10
READY_SECONDS = 60.0
SUBMIT_SECONDS = 60.0


@dataclass(frozen=True)
class Submitted:
    """``error`` None: accepted. The producer's own start is part of ``seconds``."""

    error: str | None
    seconds: float


class Contender(Protocol):
    """One queue in one scene."""

    @property
    def name(self) -> str: ...

    @property
    def ledger(self) -> Path: ...

    async def worker(self) -> Child:
        """A worker that is ready."""

    async def submit(self, count: int, seconds: float, prefix: str, patience: float = SUBMIT_SECONDS) -> Submitted:
        """Submit tasks that take ``seconds``; their keys in the ledger begin with ``prefix``."""


@dataclass(frozen=True)
class Peer:
    """Another queue, told in data: its environment, its module, and what its worker says when it is ready."""

    name: str
    pins: tuple[str, ...]
    settings: str
    module: str
    worker_argv: tuple[str, ...]
    ready_line: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> str:
        return self.pins[0].partition("==")[0].partition("[")[0]


PEERS = (
    Peer(
        "arq",
        ("arq==0.28.0",),
        "defaults: a running job is taken back when its key of 310 s has expired",
        "tests.peers.apps.arq_app",
        ("-m", "arq", "tests.peers.apps.arq_app.WorkerSettings"),
        "Starting worker for",
    ),
    Peer(
        "SAQ",
        ("saq==0.26.4", "redis==8.1.0"),
        "defaults: one attempt, a time limit of 10 s, a sweep each 60 s",
        "tests.peers.apps.saq_app",
        ("-m", "saq", "tests.peers.apps.saq_app.settings", "--verbose"),
        "Worker starting",
    ),
    Peer(
        "SAQ, retries",
        ("saq==0.26.4", "redis==8.1.0"),
        "the same with `retries=3`",
        "tests.peers.apps.saq_app",
        ("-m", "saq", "tests.peers.apps.saq_app.settings", "--verbose"),
        "Worker starting",
        {"PEER_RETRIES": "3"},
    ),
    Peer(
        "Celery",
        ("celery==5.7.0", "redis==8.1.0"),
        "`acks_late`, `reject_on_worker_lost`, prefetch 1, prefork; `visibility_timeout` as it comes: 3,600 s",
        "tests.peers.apps.celery_app",
        ("-m", "celery", "-A", "tests.peers.apps.celery_app", "worker", "-c", str(SLOTS), "--loglevel", "info"),
        r" ready\.",
    ),
    Peer(
        "Celery, 30 s",
        ("celery==5.7.0", "redis==8.1.0"),
        "the same with a `visibility_timeout` of 30 s, after which a task that still runs is delivered again",
        "tests.peers.apps.celery_app",
        ("-m", "celery", "-A", "tests.peers.apps.celery_app", "worker", "-c", str(SLOTS), "--loglevel", "info"),
        r" ready\.",
        {"PEER_VISIBILITY": "30"},
    ),
)


@dataclass(frozen=True)
class Running:
    """A peer on a Redis database of its own."""

    peer: Peer
    python: str
    redis_url: str
    ledger: Path
    processes: Processes

    @property
    def name(self) -> str:
        return self.peer.name

    @property
    def _env(self) -> dict[str, str]:
        where = {"PEER_REDIS_URL": self.redis_url, "PEER_LEDGER": str(self.ledger), "PEER_SLOTS": str(SLOTS)}
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **where, **self.peer.options}

    async def worker(self) -> Child:
        child = self.processes.start(self.python, *self.peer.worker_argv, env=self._env)
        await child.wait_for_line(self.peer.ready_line, READY_SECONDS)
        return child

    async def submit(self, count: int, seconds: float, prefix: str, patience: float = SUBMIT_SECONDS) -> Submitted:
        began = time.monotonic()
        argv = ("-m", self.peer.module, str(count), str(seconds), prefix)
        producer = await asyncio.create_subprocess_exec(
            self.python, *argv, env=self._env, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
        )
        try:
            async with asyncio.timeout(patience):
                out, _ = await producer.communicate()
            error = json.loads(out)["error"]
        except TimeoutError:
            error = "no answer"
        finally:
            if producer.returncode is None:
                producer.kill()
                await producer.wait()
        return Submitted(error, time.monotonic() - began)


@dataclass(frozen=True)
class Ours:
    """This service: tasks go in through its REST API."""

    url: str
    env: Mapping[str, str]
    ledger: Path
    processes: Processes
    name: str = "this service"

    async def worker(self) -> Child:
        port = free_port()
        child = self.processes.worker({**self.env, "TASKRUNNER_WORKER_HEALTH_PORT": str(port)})
        await child.wait_for_http(f"http://127.0.0.1:{port}/health/ready", timeout=READY_SECONDS)
        return child

    async def submit(self, count: int, seconds: float, prefix: str, patience: float = SUBMIT_SECONDS) -> Submitted:
        began = time.monotonic()
        given = {"ledger": str(self.ledger), "seconds": seconds}
        tasks = [{"type": "effect", "input": {**given, "key": f"{prefix}-{n}"}} for n in range(count)]
        try:
            async with httpx.AsyncClient(base_url=self.url, timeout=patience, trust_env=False) as http:
                answer = await http.post("/api/v1/tasks/batch", json={"tasks": tasks})
            error = None if answer.status_code == 201 else f"{answer.status_code}"
        except httpx.TransportError as refusal:
            error = type(refusal).__name__
        return Submitted(error, time.monotonic() - began)


def effects(contender: Contender, what: str, prefix: str) -> list[Effect]:
    """What its tasks wrote: ``start`` or ``end`` lines of the tasks with this prefix."""
    return [one for one in ledger_of(contender.ledger) if one.what == what and one.key.startswith(prefix)]


def names(contender: Contender, what: str, prefix: str) -> set[str]:
    """Which tasks started, or ended, at least once."""
    return {one.key for one in effects(contender, what, prefix)}
