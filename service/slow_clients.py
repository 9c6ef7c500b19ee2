"""Who keeps us waiting for too long: connections on which nothing, or next to nothing, comes or goes.

A look at all of them each second, and no timer for any: a request costs nothing here. It runs under uvicorn with
httptools, by our command line or without it; under another server the proxy in front must do it.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.connections import Connection, Room
from shared.logs import get_logger

DESCRIPTORS = 65_536
SPARE_DESCRIPTORS = 256
"""For the stores, for files, and for answering those who are turned away."""

Turn = Literal["nothing", "head", "body", "rest", "answer"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How long a client may keep a connection waiting, and how many connections there may be."""

    head_seconds: float = 20.0
    """From the beginning of a connection, or of a request, to the end of its header fields."""
    grace_seconds: float = 30.0
    """What a body may take to come, and an answer to be taken, beside a second for each ``least_rate`` bytes."""
    least_rate: int = 1_024
    rest_seconds: float = 5.0
    """What is left of a body that was answered before its end."""
    connections: int = 10_000
    look_seconds: float = 1.0


@dataclass(slots=True)
class Wait:
    """A client's turn, and for how long it has been."""

    turn: Turn
    of: object
    """The request, or the part of an answer, in question."""
    moved: int
    """The count of bytes when it began."""
    seconds: float = 0.0


def guard_connections(server: uvicorn.Server | None, limits: ClientLimits) -> None:
    """Have ``server`` bound its connections from now on; before it listens."""
    config = server.config if server is not None else None
    if config is None or config.http_protocol_class is not HttpToolsProtocol:
        log.warning("slow_clients_unguarded", server=config.http if config is not None else "unknown")
        return
    room = Room(max(1, min(limits.connections, _descriptors() - SPARE_DESCRIPTORS)))
    config.http_protocol_class = partial(Connection, room=room)  # type: ignore[assignment]


async def watch_clients(server: uvicorn.Server, limits: ClientLimits) -> None:
    """Cut off who is too slow, for ever."""
    loop = asyncio.get_running_loop()
    looked = loop.time()
    while True:
        await asyncio.sleep(limits.look_seconds)
        # A process that stood still was not there to read: its clients' time has not passed.
        passed, looked = min(loop.time() - looked, 2 * limits.look_seconds), loop.time()
        guarded = [one for one in server.server_state.connections if isinstance(one, Connection)]
        if cut := cut_slow(guarded, passed, limits):
            log.info("slow_clients_cut", **cut)


def cut_slow(connections: Iterable[Connection], passed: float, limits: ClientLimits) -> Counter[str]:
    """Count ``passed`` seconds for each of whom it is the turn, and end those whose time is over; how many, by turn."""
    cut: Counter[str] = Counter()
    for connection in connections:
        wait = connection.wait = _waited(connection, passed)
        if wait is None or wait.seconds <= _allowed(connection, wait, limits):
            continue
        cut[wait.turn] += 1
        if wait.turn in {"head", "body"}:
            connection.refuse("request_timeout", f"The request's {wait.turn} took too long to come.")
        else:
            connection.abort()
    return cut


def _waited(connection: Connection, passed: float) -> Wait | None:
    """The client's turn as it stands now: the one it was, ``passed`` seconds older, or another."""
    found = _turn(connection)
    if found is None:
        return None
    turn, of = found
    before: Wait | None = connection.wait
    if before is None or before.turn != turn or before.of is not of:
        return Wait(turn, of, _moved(connection, turn))
    before.seconds += passed
    return before


def _turn(connection: Connection) -> tuple[Turn, object] | None:
    """What the client has to do next; None where it is ours, or uvicorn's own timer runs."""
    cycle: Any = connection.cycle
    is_answered = cycle is None or cycle.response_complete
    if is_answered and connection.transport.get_write_buffer_size():
        return "answer", cycle
    if connection.flow.write_paused:
        return "answer", connection.drained
    if connection.transport.is_closing() or connection.flow.read_paused:
        return None
    return _turn_to_send(connection, cycle)


def _turn_to_send(connection: Connection, cycle: Any) -> tuple[Turn, object] | None:
    if cycle is None or cycle.scope is not connection.scope:
        scope: Any = connection.scope
        return ("head", scope) if scope is not None else ("nothing", None)
    if not cycle.response_complete:
        return ("body", cycle) if cycle.more_body else None
    if cycle.more_body:
        return "rest", cycle
    # The timer of an idle connection ends with the first byte, be it an empty line.
    return ("nothing", cycle) if connection.timeout_keep_alive_task is None else None


def _allowed(connection: Connection, wait: Wait, limits: ClientLimits) -> float:
    match wait.turn:
        case "nothing" | "head":
            return limits.head_seconds
        case "rest":
            return limits.rest_seconds
        case "body" | "answer":
            moved = _moved(connection, wait.turn) - wait.moved
            return limits.grace_seconds + max(0, moved) / limits.least_rate


def _moved(connection: Connection, turn: Turn) -> int:
    """A count that grows by each byte that came of a body, or went of an answer."""
    return connection.body_bytes if turn == "body" else -connection.transport.get_write_buffer_size()


def _descriptors() -> int:
    """How many files this process may have open, once it has asked for as many as it is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft  # macOS has another limit, lower than the one it tells
    return wanted
