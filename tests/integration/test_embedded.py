"""The embedded PostgreSQL, Valkey and mail sink: real programs, real files, real signals."""

from __future__ import annotations

import asyncio
import email
import email.policy
import errno
import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.asyncio
import redis.exceptions

from shared.domain.errors import ConfigurationError
from shared.embedded import account
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.postgres import Postgres
from shared.embedded.private import keep_secret
from shared.embedded.valkey import Valkey
from tests.support.processes import Processes, eventually_gone
from tests.support.servers import stop

TAKEN = os.strerror(errno.EADDRINUSE).lower()
KINDS = pytest.mark.parametrize("kind", [Postgres, Valkey])


@asynccontextmanager
async def launched(server: Postgres | Valkey) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The server, answering, as our direct child."""
    await asyncio.to_thread(server.prepare)
    process = await answering(server)
    try:
        yield process
    finally:
        await asyncio.to_thread(stop, process, server.command().stop_signal)


async def answering(server: Postgres | Valkey) -> subprocess.Popen[bytes]:
    """Start it as the supervisor does: a few times, as one that was killed may hold its memory for a moment."""
    for _ in range(5):
        process = launch(server)
        ready = asyncio.ensure_future(server.wait_ready(30))
        while not ready.done() and process.poll() is None:
            await asyncio.wait([ready], timeout=0.05)
        if ready.done():
            await ready
            return process
        ready.cancel()
    raise AssertionError("it did not start in five tries")


def launch(server: Postgres | Valkey) -> subprocess.Popen[bytes]:
    command = server.command()
    return subprocess.Popen(command.argv, env=command.env, stderr=subprocess.DEVNULL, start_new_session=True)


async def ask(server: Postgres, statement: str) -> Any:
    connection = await asyncpg.connect(server.url.replace("+asyncpg", ""), timeout=10)
    try:
        return await connection.fetchval(statement, timeout=10)
    finally:
        await connection.close(timeout=5)


def client_of(server: Valkey) -> redis.asyncio.Redis:
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(server.url, socket_timeout=10, decode_responses=True)
    return client


async def write(server: Postgres | Valkey, value: int) -> None:
    if isinstance(server, Postgres):
        await ask(server, f"CREATE TABLE kept AS SELECT {value} AS value")
        return
    async with client_of(server) as client:
        await client.set("kept", value)
        assert await client.waitaof(1, 0, 5_000) == [1, 0]


async def read(server: Postgres | Valkey) -> int:
    if isinstance(server, Postgres):
        return int(await ask(server, "SELECT value FROM kept"))
    async with client_of(server) as client:
        return int(await client.get("kept"))


def refusal(server: Postgres | Valkey) -> str:
    """The one line with which it refuses to be prepared."""
    with pytest.raises(ConfigurationError) as refused:
        server.prepare()
    message = str(refused.value)
    assert "\n" not in message
    return message


@KINDS
async def test_data_survives_a_stop_and_a_kill_9(kind: type[Postgres | Valkey], tmp_path: Path) -> None:
    server = kind(tmp_path / "data")
    async with launched(server) as process:
        await write(server, 41)
        process.send_signal(server.command().stop_signal)
        assert await asyncio.to_thread(process.wait, 20) == 0
    async with launched(server) as process:
        assert await read(server) == 41
        process.kill()
        assert await asyncio.to_thread(process.wait, 20) == -signal.SIGKILL
    async with launched(server):
        assert await read(server) == 41


@KINDS
async def test_a_second_start_on_the_same_data_is_refused(kind: type[Postgres | Valkey], tmp_path: Path) -> None:
    async with launched(kind(tmp_path / "data")) as process:
        told = refusal(kind(tmp_path / "data"))
        assert re.search(rf"already running on this data: .*\(pid {process.pid}\): end it first", told)


@KINDS
async def test_a_stale_pid_file_that_names_a_living_stranger_does_not_block_a_start(
    kind: type[Postgres | Valkey], tmp_path: Path
) -> None:
    server = kind(tmp_path / "data")
    async with launched(server) as process:
        pid_file = next((tmp_path / "data").glob("*/*.pid"))
        left_behind = pid_file.read_text()
        assert left_behind.splitlines()[0] == str(process.pid)
        process.kill()
        await asyncio.to_thread(process.wait, 20)
    pid_file.write_text(left_behind.replace(str(process.pid), str(os.getpid())))
    async with launched(server):
        pass


@KINDS
def test_a_taken_port_is_refused_in_one_line(kind: type[Postgres | Valkey], tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        message = refusal(kind(tmp_path / "data", port=port))
    name = kind.__name__.replace("Postgres", "PostgreSQL")
    assert message.startswith(f"{name} cannot listen on 127.0.0.1:{port}: {TAKEN} (end what listens there")


@KINDS
async def test_servers_end_with_the_process_that_started_them(
    kind: type[Postgres | Valkey], tmp_path: Path, processes: Processes
) -> None:
    program = (
        "import pathlib, subprocess, sys, time\n"
        f"from {kind.__module__} import {kind.__name__} as Server\n"
        "server = Server(pathlib.Path(sys.argv[1])); server.prepare(); command = server.command()\n"
        "print('pid', subprocess.Popen(command.argv, env=command.env, start_new_session=True).pid, server.url)\n"
        "time.sleep(60)"
    )
    parent = processes.python("-c", program, str(tmp_path / "data"))
    _, pid, url = (await parent.wait_for_line(r"^pid \d+ .*"))[0].split()
    server = kind(tmp_path / "data", port=urlsplit(url).port or 0)
    await server.wait_ready(30)
    parent.send(signal.SIGKILL)
    await parent.wait()
    await eventually_gone(int(pid))


async def test_postgres_takes_only_the_password_and_only_on_loopback(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "data", settings={"fsync": "off"})
    async with launched(server):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=LOOPBACK, port=server.port, user="taskrunner", password="guess", database="taskrunner", timeout=10
            )
        assert await ask(server, "SHOW listen_addresses") == LOOPBACK
        assert await ask(server, "SHOW log_error_verbosity") == "terse", "a log holds no row"
        assert await ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert await ask(server, "SHOW server_encoding") == "UTF8"
        assert await ask(server, "SELECT lower('ÄÖ') || datlocale FROM pg_database WHERE datname = 'taskrunner'") == (
            "äöC.UTF-8"
        )


async def test_postgres_is_durable_unless_told_otherwise(tmp_path: Path) -> None:
    async with launched(server := Postgres(tmp_path / "data", max_connections=50)):
        assert [await ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "max_connections")] == [
            *("on", "on", "50")
        ]
    async with launched(server := Postgres(tmp_path / "data", settings={"fsync": "off"})):
        assert await ask(server, "SHOW fsync") == "off"


async def test_a_setup_that_was_killed_half_way_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "data" / "cluster.draft" / "base").mkdir(parents=True)
    async with launched(server := Postgres(tmp_path / "data", settings={"fsync": "off"})):
        assert await ask(server, "SELECT 1") == 1


async def test_valkey_takes_only_the_password_and_never_evicts(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "data", databases=40, settings={"save": '""'})
    async with launched(server):
        async with redis.asyncio.Redis(host=LOOPBACK, port=server.port, socket_timeout=10) as stranger:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await stranger.ping()
        async with client_of(server) as client:
            wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "databases": "40", "save": ""}
            assert {name: (await client.config_get(name))[name] for name in wanted} == wanted
            assert (await client.config_get("bind"))["bind"] == LOOPBACK


def files_with(text: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


@KINDS
async def test_no_secret_is_readable_by_others_or_shown_among_the_arguments(
    kind: type[Postgres | Valkey], tmp_path: Path
) -> None:
    async with launched(server := kind(tmp_path / "data")):
        password = urlsplit(server.url).password
        assert password
        assert not any(password in part for part in server.command().argv)
        holding = files_with(password, tmp_path)
        assert (tmp_path / "data" / "password") in holding
        assert all(file.stat().st_mode & 0o077 == 0 for file in holding)


def user_ids_of(pid: int) -> set[int]:
    uids = re.search(r"^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert uids
    return {int(uid) for uid in uids.groups()}


@KINDS
async def test_servers_never_run_as_root(kind: type[Postgres | Valkey], tmp_path: Path) -> None:
    expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    # pytest's folders are private (0700) to the user who runs it, all the way up.
    assert tmp_path.parent.stat().st_mode & 0o077 == 0
    async with launched(kind(tmp_path / "data")) as process:
        assert user_ids_of(process.pid) == {expected}


def test_root_without_setpriv_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match=r"^the embedded servers don't run as root and setpriv .* is missing"):
        account.unprivileged(["postgres"])


def test_another_user_than_root_runs_the_program_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account.unprivileged(["postgres"]) == ("postgres",)


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = keep_secret(tmp_path / "new" / "secret")
    assert len(first) == 43
    assert keep_secret(tmp_path / "new" / "secret") == first
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "secret"]


async def test_the_mail_sink_keeps_a_mail_as_a_file_and_logs_no_body(tmp_path: Path, processes: Processes) -> None:
    port = free_port()
    sink = processes.python("-m", "shared.embedded.mailsink", "--port", str(port), "--dir", str(tmp_path / "mails"))
    await sink.wait_for_line("mail sink listening")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "runner@localhost", "anna@example.org", "Grüße"
    mail.set_content("The body: wörd\n.\nwith a lone dot")
    await asyncio.to_thread(send, port, mail)
    logged = await sink.wait_for_line(
        r"mail kept +from='runner@localhost' to=\['anna@example.org'\] bytes=\d+ file=(.+)"
    )
    kept = read_mail(Path(logged[1]))
    assert kept["Subject"] == "Grüße"
    assert kept.get_content().splitlines() == mail.get_content().splitlines()
    assert [file.suffix for file in (tmp_path / "mails").iterdir()] == [".eml"]
    assert "wörd" not in sink.output
    sink.send(signal.SIGTERM)
    assert await sink.wait(10) == 0


def read_mail(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def send(port: int, mail: EmailMessage) -> None:
    with smtplib.SMTP(LOOPBACK, port, timeout=10) as connection:
        connection.send_message(mail)
