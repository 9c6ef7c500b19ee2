"""Lets the faults strike, one after the other, each some time after the one before is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import redis.asyncio

from tests.soak.arena import Arena, Post
from tests.soak.schedule import LAST_SECONDS, Fault, Strike
from tests.support.faults import connected, until
from tests.support.proxy import Proxy

ZOMBIE_EXIT = 75
ZOMBIE_SECONDS = 20.0
RECOVERY_SECONDS = 30.0
SETTLED_SECONDS = 3.0
CRASH_SEEN_SECONDS = 0.5
"""PostgreSQL answers for a moment after the kill of a backend, until it notices."""
BACKEND = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'taskrunner-%' ORDER BY random() LIMIT 1
"""
SESSIONS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Striking:
    """Runs a schedule against an arena. ``done`` counts what struck, ``now`` is what is broken."""

    def __init__(self, arena: Arena, strikes: list[Strike], length: float) -> None:
        self.done: Counter[Fault] = Counter()
        self.now: Fault | None = None
        self._arena = arena
        self._strikes = strikes
        self._length = length
        self._over_at = time.monotonic()

    @property
    def is_calm(self) -> bool:
        """Nothing is broken, and the last fault is over for some seconds."""
        return self.now is None and time.monotonic() - self._over_at > SETTLED_SECONDS

    async def run(self) -> None:
        began = time.monotonic()
        for strike in self._strikes:
            await asyncio.sleep(strike.rest)
            if time.monotonic() + strike.seconds > began + self._length - LAST_SECONDS:
                return  # restarts took some of the time: the rest of the schedule does not fit any more
            self.now = strike.fault
            await INFLICTED[strike.fault](self._arena, strike)
            self.done[strike.fault] += 1
            self.now, self._over_at = None, time.monotonic()


async def _worker_killed(arena: Arena, strike: Strike) -> None:
    await _ended(_victim(arena.workers, strike), signal.SIGKILL, -signal.SIGKILL)


async def _worker_told(arena: Arena, strike: Strike) -> None:
    await _ended(_victim(arena.workers, strike), signal.SIGTERM, 0)


async def _worker_stopped(arena: Arena, strike: Strike) -> None:
    """Stop it past its lease. Declared dead meanwhile, it ends as soon as it can; that it was is not certain."""
    post = _victim(arena.workers, strike)
    child = post.keeper.child
    post.explained[ZOMBIE_EXIT] += 1
    child.send(signal.SIGSTOP)
    await asyncio.sleep(strike.seconds)
    child.send(signal.SIGCONT)
    with contextlib.suppress(AssertionError):
        await until(lambda: child.returncode is not None, ZOMBIE_SECONDS, "the end of the zombie")
        await post.keeper.replaced(child)


async def _api_killed(arena: Arena, strike: Strike) -> None:
    await _ended(_victim(arena.apis, strike), signal.SIGKILL, -signal.SIGKILL)


async def _api_told(arena: Arena, strike: Strike) -> None:
    # uvicorn stops in good order, and then dies of the signal it was told by.
    await _ended(_victim(arena.apis, strike), signal.SIGTERM, -signal.SIGTERM)


async def _valkey_killed(arena: Arena, strike: Strike) -> None:
    arena.valkey.kill()
    await asyncio.sleep(strike.seconds)
    await arena.valkey.start()


async def _valkey_flushed(arena: Arena, strike: Strike) -> None:
    async with redis.asyncio.Redis.from_url(arena.valkey.url, socket_timeout=10) as client:
        await client.flushall()


async def _valkey_hangs(arena: Arena, strike: Strike) -> None:
    arena.valkey.suspend()
    await asyncio.sleep(strike.seconds)
    arena.valkey.resume()


async def _valkey_cut(arena: Arena, strike: Strike) -> None:
    arena.to_valkey.cut()


async def _valkey_late(arena: Arena, strike: Strike) -> None:
    await _late(arena.to_valkey, strike)


async def _postgres_backend(arena: Arena, strike: Strike) -> None:
    """PostgreSQL ends every session and starts over; return when it is back."""
    async with connected(arena.database_url) as connection:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (pid := await connection.fetchval(BACKEND, timeout=10)) is None:
            assert time.monotonic() < deadline, "nobody is connected to PostgreSQL"
            await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(CRASH_SEEN_SECONDS)
    await arena.postgres.server.wait_ready(RECOVERY_SECONDS)


async def _postgres_sessions(arena: Arena, strike: Strike) -> None:
    async with connected(arena.database_url) as connection:
        await connection.execute(SESSIONS, timeout=10)


async def _postgres_cut(arena: Arena, strike: Strike) -> None:
    arena.to_postgres.cut()


async def _postgres_refuses(arena: Arena, strike: Strike) -> None:
    arena.to_postgres.refuse()
    arena.to_postgres.cut()
    await asyncio.sleep(strike.seconds)
    await arena.to_postgres.accept()


async def _postgres_hangs(arena: Arena, strike: Strike) -> None:
    arena.to_postgres.hang()
    await asyncio.sleep(strike.seconds)
    arena.to_postgres.flow()


async def _postgres_late(arena: Arena, strike: Strike) -> None:
    await _late(arena.to_postgres, strike)


INFLICTED: Mapping[Fault, Callable[[Arena, Strike], Awaitable[None]]] = {
    Fault.WORKER_KILLED: _worker_killed,
    Fault.WORKER_TOLD: _worker_told,
    Fault.WORKER_STOPPED: _worker_stopped,
    Fault.API_KILLED: _api_killed,
    Fault.API_TOLD: _api_told,
    Fault.VALKEY_KILLED: _valkey_killed,
    Fault.VALKEY_FLUSHED: _valkey_flushed,
    Fault.VALKEY_HANGS: _valkey_hangs,
    Fault.VALKEY_CUT: _valkey_cut,
    Fault.VALKEY_LATE: _valkey_late,
    Fault.POSTGRES_BACKEND: _postgres_backend,
    Fault.POSTGRES_SESSIONS: _postgres_sessions,
    Fault.POSTGRES_CUT: _postgres_cut,
    Fault.POSTGRES_REFUSES: _postgres_refuses,
    Fault.POSTGRES_HANGS: _postgres_hangs,
    Fault.POSTGRES_LATE: _postgres_late,
}


def _victim(posts: list[Post], strike: Strike) -> Post:
    """Never the first: it is the veteran."""
    return posts[1 + strike.target % (len(posts) - 1)]


async def _ended(post: Post, number: signal.Signals, code: int) -> None:
    child = post.keeper.child
    post.explained[code] += 1
    child.send(number)
    await post.keeper.replaced(child)


async def _late(proxy: Proxy, strike: Strike) -> None:
    proxy.replies.delay = strike.delay
    await asyncio.sleep(strike.seconds)
    proxy.replies.flow()
