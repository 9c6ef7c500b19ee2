"""What ``up`` runs: which services, with which settings, in which order. Starts nothing itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.cli.process.child import Service
from service.cli.process.launch import DRAIN_SECONDS, api_command, has_key, refuse_exposure, worker_command
from service.cli.process.readiness import READY_TIMEOUT_S, ReadyMessage, accepts
from service.cli.process.supervisor import Action, Step
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.postgres import Postgres
from shared.embedded.private import keep_secret
from shared.embedded.server import Server, package_folder
from shared.embedded.tether import tethered
from shared.embedded.valkey import Valkey
from shared.settings import Settings, load_settings

SERVER_GRACE_S = 20.0
EXTRA_GRACE_S = 5.0
WORKER_EXTRA_GRACE_S = 15.0
"""Past its own grace a worker gives back what still runs, and ends what does not end by itself."""
# A PostgreSQL that was killed may hold its shared memory for a moment after.
SERVER_STARTS = 5
SPARE_CONNECTIONS = 40
ANYWHERE = "0.0.0.0"  # noqa: S104 # nosec B104 # told from, not listened on
EXTRA_PER_WORKER = 5  # its heartbeat; the rest while another one replaces it

Note = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The command line of ``up``; ``worker_settings`` are environment variables for workers."""

    host: str
    port: int
    data_dir: Path
    workers: int
    worker_settings: Mapping[str, str]


class Plan:
    """Services for these options. What the settings name already (DATABASE_URL, SMTP_URL …) is used, not started.

    ``listener`` is bound to the API's address; every API process listens on it, and it outlives them all.
    """

    def __init__(self, options: Options, settings: Settings, listener: socket.socket) -> None:
        self.options = options
        self._listener = listener
        self._settings = settings
        self._servers: dict[str, Server] = {}
        self._mail_port: int | None = None
        self._has_key = False
        self._env = {**os.environ, **self._missing_settings()}

    def steps(self, note: Note) -> Iterator[Step]:
        """Each step is made when the one before is done: a port is looked for just before it is used."""
        for name, server in self._servers.items():
            yield Action(partial(asyncio.to_thread, server.prepare))
            yield [self._embedded(name, server)]
        yield Action(lambda: self._migrate(note))
        yield Action(self._look_for_keys)
        if self._mail_port is not None:
            yield [self._mail_sink(self._mail_port)]
        yield [self._api()]
        yield [self._worker(number) for number in range(1, self.options.workers + 1)]

    def banner(self, seconds: float) -> str:
        kept = f"\nmail     {self._mails}, nothing is delivered" if self._mail_port is not None else ""
        key = '-H "Authorization: Bearer $TASKRUNNER_API_KEY" ' if self._has_key else ""
        return (
            f"ready in {seconds:.1f} s: {self._url}\n"
            f"docs     {self._url}/docs{kept}\n"
            f"stop     Ctrl-C\n\n"
            f"Try in another terminal:\n"
            f"  curl -s {self._url}/api/v1/tasks -H 'Content-Type: application/json' -H 'Prefer: wait=60' \\\n"
            f"""       {key}-d '{{"prompt": "What is a task queue?"}}'"""
        )

    @property
    def _url(self) -> str:
        host = {ANYWHERE: LOOPBACK, "::": "::1"}.get(self.options.host, self.options.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.options.port}"

    @property
    def _mails(self) -> Path:
        return self.options.data_dir / "mails"

    def _missing_settings(self) -> dict[str, str]:
        """Variables for what the environment and ``.env`` leave open."""
        given, data = self._settings.model_fields_set, self.options.data_dir
        env = {}
        if "database_url" not in given:
            self._servers["postgres"] = postgres = Postgres(data / "postgres", max_connections=self._connections())
            env["DATABASE_URL"] = postgres.url
        if "redis_url" not in given:
            self._servers["valkey"] = valkey = Valkey(data / "valkey")
            env["REDIS_URL"] = valkey.url
        if "smtp_url" not in given:
            package_folder("aiosmtpd", instead="TASKRUNNER_SMTP_URL")
            self._mail_port = free_port()
            env["TASKRUNNER_SMTP_URL"] = f"smtp://{LOOPBACK}:{self._mail_port}"
        if "secret_key" not in given:
            env["TASKRUNNER_SECRET_KEY"] = keep_secret(data / "secret-key")
        if "storage_dir" not in given:
            env["TASKRUNNER_STORAGE_DIR"] = str(data / "files")
        if "expected_workers" not in given:
            env["TASKRUNNER_EXPECTED_WORKERS"] = str(self.options.workers)
        return env

    def _connections(self) -> int:
        """Enough for every pool at its fullest, and for a person with psql."""
        settings = self._settings
        per_worker = settings.worker_pool_size + settings.worker_pool_overflow
        api = settings.api_pool_size + settings.api_pool_overflow
        return max(200, api + self.options.workers * (per_worker + EXTRA_PER_WORKER) + SPARE_CONNECTIONS)

    async def _migrate(self, note: Note) -> None:
        from shared.db.migrate import upgrade  # noqa: PLC0415 - half a second of imports, while the servers start

        note(f"database at revision {await upgrade(self._effective.database_url.get_secret_value())}")

    async def _look_for_keys(self) -> None:
        self._has_key = await has_key(self._effective)
        refuse_exposure(self.options.host, has_key=self._has_key)

    @property
    def _effective(self) -> Settings:
        """The settings as the children will read them."""
        stores = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}
        return load_settings(
            **{name: self._env[variable] for name, variable in stores.items() if variable in self._env}
        )

    def _embedded(self, name: str, server: Server) -> Service:
        command = server.command()
        return Service(
            name=name,
            argv=command.argv,
            env=command.env,
            ready=lambda: server.wait_ready(READY_TIMEOUT_S),
            stop_signal=command.stop_signal,
            kill_signal=command.kill_signal,
            grace=SERVER_GRACE_S,
            first_starts=SERVER_STARTS,
            obstacle=server.obstacle,
        )

    def _mail_sink(self, port: int) -> Service:
        argv = (sys.executable, "-m", "shared.embedded.mailsink", "--port", str(port), "--dir", str(self._mails))
        return Service("mail", tethered(argv, signal.SIGTERM), self._env, ready=lambda: accepts(port))

    def _api(self) -> Service:
        descriptor, message = self._listener.fileno(), ReadyMessage()
        return Service(
            name="api",
            argv=tethered(api_command("--fd", str(descriptor)), signal.SIGKILL),
            env={**self._env, **message.env},
            ready=message.heard,
            grace=DRAIN_SECONDS + EXTRA_GRACE_S,
            pass_fds=(descriptor,),
            successor=self._api,
        )

    def _worker(self, number: int) -> Service:
        is_only, message = self.options.workers == 1, ReadyMessage()
        port = (self._settings.worker_health_port if is_only else None) or free_port()
        own = {"TASKRUNNER_WORKER_HEALTH_PORT": str(port), **self.options.worker_settings}
        return Service(
            name="worker" if is_only else f"worker-{number}",
            argv=tethered(worker_command(), signal.SIGKILL),
            env={**self._env, **own, **message.env},
            ready=message.heard,
            grace=self._settings.shutdown_grace + WORKER_EXTRA_GRACE_S,
            successor=partial(self._worker, number),
        )
