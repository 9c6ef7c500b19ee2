"""``taskrunner up`` and the process commands, as a newcomer and an operator run them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.client import AsyncClient
from shared.embedded.ports import LOOPBACK, free_port
from tests.support.processes import ROOT, Child, Processes, descendants_of, eventually_gone
from tests.support.servers import Servers

STORES = ("DATABASE_URL", "REDIS_URL", "REDIS_RESULT_URL")
START_S = 90.0


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings reaches the commands under test."""
    for name in [name for name in os.environ if name in STORES or name.startswith("TASKRUNNER_")]:
        monkeypatch.delenv(name)


async def up(processes: Processes, folder: Path, port: int, **env: str) -> Child:
    """A ready ``taskrunner up`` in an empty folder (no .env of ours)."""
    child = processes.taskrunner("up", "--port", str(port), env=env, cwd=folder)
    await child.wait_for_line(r"ready in \d+\.\d s", timeout=START_S)
    return child


async def calculate(port: int, a: int) -> str:
    """The id of a task that has run."""
    async with AsyncClient(f"http://{LOOPBACK}:{port}", timeout=60) as client:
        task = await client.submit("simple_calculation", {"a": a, "b": 1, "operation": "add"})
        done = await client.wait(task.id, timeout=30)
        assert done.result == {"operation": "add", "result": a + 1}
        return str(task.id)


async def test_up_runs_everything_and_a_killed_one_leaves_only_its_data(tmp_path: Path, processes: Processes) -> None:
    port = free_port()
    first = await up(processes, tmp_path, port)
    task = await calculate(port, 41)
    family = descendants_of(first.pid)
    assert len(family) >= 5  # PostgreSQL, Valkey, the mail sink, the API, a worker; and theirs

    second = processes.taskrunner("up", cwd=tmp_path)
    assert await second.wait(30) == 2
    [line] = second.lines
    assert f"up runs on {tmp_path / '.taskrunner'} already (pid {first.pid}): stop it, or name another" in line

    first.send(signal.SIGKILL)
    await first.wait()
    await eventually_gone(*family)

    again = await up(processes, tmp_path, port)
    async with AsyncClient(f"http://{LOOPBACK}:{port}", timeout=60) as client:
        assert (await client.get(task)).status == "COMPLETED"
        mail = await client.submit(
            "send_notification_email", {"to": "anna@example.org", "subject": "Hello", "body": "It works."}
        )
        assert (await client.wait(mail.id, timeout=30)).status == "COMPLETED"
    assert b"It works." in only_file_in(tmp_path / ".taskrunner" / "mails")

    family = descendants_of(again.pid)
    again.send(signal.SIGINT)
    assert await again.wait(60) == 0
    await eventually_gone(*family)
    assert again.lines[-1].endswith("| stopped")
    assert "is killed" not in again.output


def only_file_in(folder: Path) -> bytes:
    (file,) = folder.iterdir()
    return file.read_bytes()


async def test_up_uses_the_servers_it_is_given(tmp_path: Path, processes: Processes, servers: Servers) -> None:
    port = free_port()
    with servers.lend_database() as database, servers.lend_redis() as store, servers.lend_redis() as results:
        given = {"DATABASE_URL": database, "REDIS_URL": store, "REDIS_RESULT_URL": results}
        child = await up(processes, tmp_path, port, **given)
        await calculate(port, 1)
        child.send(signal.SIGTERM)
        assert await child.wait(60) == 0
    assert not re.search(r"^(postgres|valkey) +\|", child.output, re.MULTILINE)
    assert not (tmp_path / ".taskrunner" / "postgres").exists()


async def refusal(processes: Processes, *argv: str, env: Mapping[str, str] | None = None, cwd: Path) -> str:
    """The one line on stderr of a command that ends with a usage error."""
    program = (sys.executable, "-c", "from service.cli.main import main; main()", *argv)
    process = await asyncio.create_subprocess_exec(
        *program, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, complaint = await process.communicate()
    assert process.returncode == 2
    (line,) = complaint.decode().splitlines()
    return line


@pytest.mark.parametrize("command", ["up", "api"])
async def test_a_taken_port_is_one_line(command: str, tmp_path: Path, processes: Processes) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        line = await refusal(processes, command, "--port", str(port), cwd=tmp_path)
    assert line.startswith(f"taskrunner: the API cannot listen on {LOOPBACK}:{port}: address already in use (end what")


@pytest.mark.parametrize("command", ["up", "api"])
async def test_a_wider_host_is_refused_as_long_as_no_key_exists(
    command: str, tmp_path: Path, processes: Processes, servers: Servers
) -> None:
    with servers.lend_database() as database, servers.lend_redis() as store:
        given = {"DATABASE_URL": database, "REDIS_URL": store}
        where = ("--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104
        line = await refusal(processes, command, *where, env=given, cwd=tmp_path)
    assert "--host 0.0.0.0 would let everybody in, as no API key exists" in line


@pytest.mark.parametrize(
    ("argv", "env", "complaint"),
    [
        (("worker", "--queues", "Not A Queue"), {}, "TASKRUNNER_QUEUES: 'Not A Queue' is not a queue name"),
        (("up",), {"DATABASE_URL": "mysql://x"}, "DATABASE_URL: must start with postgresql+asyncpg://"),
        (("migrate",), {"TASKRUNNER_CONCURRENCY": "0"}, "TASKRUNNER_CONCURRENCY: Input should be greater than"),
        (("up", "--data-dir", "/proc/none"), {}, "--data-dir /proc/none cannot be used"),
    ],
)
async def test_a_wrong_setting_is_one_line(
    argv: tuple[str, ...], env: dict[str, str], complaint: str, tmp_path: Path, processes: Processes
) -> None:
    assert f"taskrunner: {complaint}" in await refusal(processes, *argv, env=env, cwd=tmp_path)


async def test_migrate_prints_the_revision_and_may_be_repeated(servers: Servers, processes: Processes) -> None:
    with servers.lend_database(migrated=False) as database:
        for _ in range(2):
            child = processes.taskrunner("migrate", env={"DATABASE_URL": database})
            assert await child.wait(60) == 0
            assert re.fullmatch(r"\w+", child.lines[-1])


async def test_a_command_that_only_asks_for_help_loads_no_server_library() -> None:
    program = (
        "import sys, typer; from service.cli.process import register; register(typer.Typer());"
        "print([m for m in ('sqlalchemy', 'redis', 'arq', 'uvicorn', 'fastapi', 'asyncpg') if m in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=subprocess.PIPE)
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    assert printed == b"[]\n"
