"""The API on a socket somebody else made: it outlives the process, and who calls meanwhile waits."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator

import httpx
import pytest

from shared.embedded.ports import LOOPBACK
from tests.support.processes import Processes

TASKRUNNER = (sys.executable, "-c", "from service.cli.main import main; main()", "api")
UVICORN = (sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as made:
        yield made


def as_third(descriptor: int, *argv: str) -> tuple[str, ...]:
    """``argv`` as systemd starts it for a socket unit: the socket is descriptor 3."""
    program = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3);"
        "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())};"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    return (sys.executable, "-c", program, str(descriptor), *argv)


@pytest.mark.parametrize("way", ["socket activation", pytest.param("uvicorn --fd", marks=pytest.mark.chaos)])
async def test_the_api_serves_a_socket_it_is_handed_and_leaves_it_open(
    way: str, listener: socket.socket, processes: Processes
) -> None:
    descriptor, port = listener.fileno(), listener.getsockname()[1]
    argv = as_third(descriptor, *TASKRUNNER) if way == "socket activation" else (*UVICORN, "--fd", str(descriptor))
    # No store is there: alive it is all the same.
    env = {"DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0"}
    child = processes.start(*argv, env=env, pass_fds=[descriptor])
    async with httpx.AsyncClient(timeout=30, trust_env=False, headers={"Connection": "close"}) as client:
        # Asked before anybody accepts: it waits in the socket's backlog.
        answer = await client.get(f"http://{LOOPBACK}:{port}/health/live")
    assert answer.status_code == 200, child.output
    child.send(signal.SIGTERM)
    assert await child.wait(20) == -signal.SIGTERM
    socket.create_connection((LOOPBACK, port), timeout=5).close()


@pytest.mark.parametrize(
    ("descriptor", "complaint"),
    [(77, "--fd 77 is no socket: Bad file descriptor"), (3, "--fd 3 is no stream socket")],
)
async def test_what_cannot_be_listened_on_is_one_line(descriptor: int, complaint: str, processes: Processes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        argv = as_third(datagrams.fileno(), *TASKRUNNER, "--fd", str(descriptor))
        child = processes.start(*argv, pass_fds=[datagrams.fileno()])
        assert await child.wait(30) == 2
    assert child.lines == [f"taskrunner: {complaint}"]
