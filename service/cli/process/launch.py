"""How the API and a worker are started, and who may listen on more than loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from collections.abc import Mapping

from service.cli.process.listening import host_of, passed_by_systemd
from shared.domain.errors import ConfigurationError
from shared.embedded.ports import LOOPBACK, require_free
from shared.settings import Settings, load_settings

DRAIN_SECONDS = 5
"""How long the API waits for answers under way, streams among them, when it is told to stop."""

KEEP_ALIVE_SECONDS = 65
"""Longer than clients and proxies keep an idle connection: closed from here, it would meet a request now and then."""


def api_command(*where: str, workers: int = 1) -> tuple[str, ...]:
    """``where``: ``--host`` and ``--port``, or ``--fd``."""
    # The access log would be a line per poll of every client; the service counts requests instead.
    quiet = ("--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning")
    return (
        *(sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory"),
        *(*where, "--workers", str(workers)),
        *quiet,
        *("--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), "--timeout-graceful-shutdown", str(DRAIN_SECONDS)),
    )


def worker_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "arq", "worker.WorkerSettings")


def become_api(host: str, port: int, workers: int, descriptor: int | None) -> None:
    """Replace this process by the API's, on an inherited socket where there is one. Raises: ConfigurationError."""
    settings = load_settings()
    inherited = passed_by_systemd(os.environ) if descriptor is None else descriptor
    if inherited is None:
        require_free(port, "the API", host)
        where: tuple[str, ...] = ("--host", host, "--port", str(port))
    else:
        host = host_of(inherited) or LOOPBACK  # who can reach a Unix socket is for its file's mode to say
        where = ("--fd", str(inherited))
    if not is_loopback(host):
        refuse_exposure(host, has_key=asyncio.run(has_key(settings)))
    _become(api_command(*where, workers=workers), {})


def become_worker(given: Mapping[str, str]) -> None:
    """Replace this process by a worker's. Raises: ConfigurationError."""
    check_worker_settings(given)
    _become(worker_command(), given)


def migrated_revision() -> str:
    """Raises: ConfigurationError, StoreUnavailable."""
    from shared.db.migrate import upgrade  # noqa: PLC0415 - the other commands need no migrations

    return asyncio.run(upgrade(load_settings().database_url.get_secret_value()))


def check_worker_settings(given: Mapping[str, str]) -> None:
    """Refuse here, in one line, what every worker would refuse. Raises: ConfigurationError."""
    load_settings(**{name.removeprefix("TASKRUNNER_").lower(): value for name, value in given.items()})


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_exposure(host: str, *, has_key: bool) -> None:
    """Let nobody but this machine in as long as no API key exists. Raises: ConfigurationError."""
    if not is_loopback(host) and not has_key:
        raise ConfigurationError(
            f"--host {host} would let everybody in, as no API key exists:"
            " set TASKRUNNER_BOOTSTRAP_KEY, or use --host 127.0.0.1"
        )


async def has_key(settings: Settings) -> bool:
    """Whether the API knows a key, or will as soon as it starts. Raises: StoreUnavailable."""
    from shared.db.migrate import current_revision  # noqa: PLC0415 - the other commands need no database
    from shared.queue.keys import any_key_exists  # noqa: PLC0415
    from shared.queue.stores import Stores  # noqa: PLC0415

    if settings.bootstrap_key is not None:
        return True
    async with Stores(settings, pool_size=1, overflow=0, application="taskrunner") as stores:
        async with stores.db.engine.connect() as connection:
            if await current_revision(connection) is None:
                return False
        return await any_key_exists(stores)


def _become(argv: tuple[str, ...], env: Mapping[str, str]) -> None:
    # No shell: one process, which signals reach directly.
    os.execve(argv[0], argv, {**os.environ, **env})  # noqa: S606 # nosec B606
