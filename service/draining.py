"""How the API ends: no new connection, an answer for every request, and idle connections last.

uvicorn alone closes at once what is idle, or was accepted a moment ago: a request on its way there meets a reset.
Here the listener goes first: what waits in its backlog is the successor's, where the socket is shared. Every further
answer says ``Connection: close``, and a kept-alive connection has a while to be used once more. The rest is uvicorn's.
"""

from __future__ import annotations

import asyncio
import fcntl
import signal
import socket
import termios
from collections.abc import Callable
from struct import Struct
from typing import Any

import uvicorn
from starlette.types import Scope

from shared.logs import get_logger

IDLE_SECONDS = 2.0
POLL_SECONDS = 0.05
LAST_LOOKS = 3
CLOSE = (b"connection", b"close")
COUNT = Struct("i")

log = get_logger(__name__)


def drain_before_shutdown(hurry: Callable[[], None]) -> None:
    """Let the server this process runs drain before it shuts down; ``hurry`` ends what waits on purpose.

    Nothing happens under another server than uvicorn.
    """
    server = running_server()
    if server is None:
        return
    shutdown = server.shutdown

    async def drained(sockets: list[socket.socket] | None = None) -> None:
        await _drain(server, hurry)
        await shutdown(sockets)

    server.shutdown = drained  # type: ignore[method-assign] # the one way in for an application


def abort(scope: Scope) -> None:
    """Cut the connection of this request at once: closing it would first wait for a client that reads nothing."""
    server = running_server()
    for connection in list(server.server_state.connections) if server is not None else ():
        cycle = getattr(connection, "cycle", None)
        if cycle is not None and cycle.scope is scope:
            connection.transport.abort()


def running_server() -> uvicorn.Server | None:
    """The server this process runs, where it is uvicorn.

    It hands an application no reference to itself, but the signal's handler is a method of it.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, uvicorn.Server) else None


async def _drain(server: uvicorn.Server, hurry: Callable[[], None]) -> None:
    for listener in server.servers:
        listener.close()
    state = server.server_state
    # Read by every request that begins from now on; uvicorn closes the connection behind such an answer.
    state.default_headers = [*state.default_headers, CLOSE]
    for connection in filter(_is_busy, list(state.connections)):
        connection.shutdown()
    log.info("api_draining", connections=len(state.connections))
    for _ in range(round(IDLE_SECONDS / POLL_SECONDS)):
        if not state.connections or server.force_exit:
            break
        await asyncio.sleep(POLL_SECONDS)
    hurry()
    for _ in range(LAST_LOOKS):
        for connection in list(state.connections):
            if not _is_busy(connection) and not _unread(connection):
                connection.shutdown()
        await asyncio.sleep(0)  # what has arrived is read, and its connection busy


def _is_busy(connection: Any) -> bool:
    """Whether a request of this connection is not answered yet."""
    cycle = getattr(connection, "cycle", None)
    return cycle is not None and not cycle.response_complete


def _unread(connection: Any) -> int:
    """Bytes that have arrived and were not read yet: closing would answer them with a reset."""
    descriptor = connection.transport.get_extra_info("socket").fileno()
    if descriptor < 0:
        return 0
    count: int = COUNT.unpack(fcntl.ioctl(descriptor, termios.FIONREAD, COUNT.pack(0)))[0]
    return count
