"""One real PostgreSQL and one real Valkey for a test run: the fixture ``servers``.

TEST_DATABASE_URL and TEST_REDIS_URL name servers to use instead. Then the role needs CREATEDB, and every Redis
database from the number in the URL on is flushed as it is lent.

Everything here is synchronous, so that it works with and without a running event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis

from shared.embedded.postgres import Postgres
from shared.embedded.server import Server
from shared.embedded.valkey import Valkey

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
REDIS_DATABASES = 512

T = TypeVar("T")


class Servers:
    """Where this run's stores are, and fresh parts of them for a test of its own."""

    def __init__(self, database_server: str, redis_server: str) -> None:
        self._database_server = database_server
        self._redis_server = redis_server
        self._run = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self._created: list[str] = []
        self._serial = itertools.count()
        self._free_numbers = list(range(self._first_number, self._count_of_numbers))[::-1]

    @cached_property
    def database_url(self) -> str:
        """The run's own migrated database."""
        return self.create_database()

    @cached_property
    def redis_url(self) -> str:
        return self._redis(self._take_number())

    @cached_property
    def result_url(self) -> str:
        return self._redis(self._take_number())

    def create_database(self, *, migrated: bool = True) -> str:
        """The URL of a new database; empty, or a copy of one that was migrated once."""
        name = f"{self._run}_{next(self._serial)}"
        self._create(name, template=self._template if migrated else "template0")
        return self._database(name)

    def drop_database(self, url: str) -> None:
        """Remove a database made here, ending the sessions in it."""
        name = urlsplit(url).path.removeprefix("/")
        self._drop(name)
        self._created.remove(name)

    @contextmanager
    def lend_database(self, *, migrated: bool = True) -> Iterator[str]:
        url = self.create_database(migrated=migrated)
        try:
            yield url
        finally:
            self.drop_database(url)

    @contextmanager
    def lend_redis(self) -> Iterator[str]:
        """The URL of an empty Redis database nobody else uses meanwhile."""
        number = self._take_number()
        try:
            yield self._redis(number)
        finally:
            self._free_numbers.append(number)

    def drop_all(self) -> None:
        while self._created:
            self._drop(self._created[-1])
            self._created.pop()

    @cached_property
    def _template(self) -> str:
        # Imported late: the servers are of use to tests that know no schema.
        from shared.db.migrate import upgrade  # noqa: PLC0415

        name = f"{self._run}_template"
        self._create(name, template="template0")
        run(upgrade(self._database(name)))
        return name

    def _create(self, name: str, template: str) -> None:
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._created.append(name)

    def _drop(self, name: str) -> None:
        # Not WITH (FORCE): it fails where autovacuum is at work and the role is no superuser. A plain DROP ends
        # autovacuum itself and waits 5 s for what is left, so only the clients are ended here.
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = $1 AND backend_type = 'client backend'",
            name,
        )
        self._execute(f'DROP DATABASE IF EXISTS "{name}"')

    def _execute(self, statement: str, *arguments: object) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(self._database_server.replace("+asyncpg", "", 1), timeout=10)
            try:
                await connection.execute(statement, *arguments, timeout=30)
            finally:
                await connection.close(timeout=5)

        run(execute())

    def _database(self, name: str) -> str:
        return urlunsplit(urlsplit(self._database_server)._replace(path=f"/{name}"))

    def _redis(self, number: int) -> str:
        return urlunsplit(urlsplit(self._redis_server)._replace(path=f"/{number}"))

    def _take_number(self) -> int:
        assert self._free_numbers, "every Redis database is lent: give them back (lend_redis), or raise `databases`"
        number = self._free_numbers.pop()
        with redis.Redis.from_url(self._redis(number), socket_timeout=10) as client:
            client.flushdb()
        return number

    @property
    def _first_number(self) -> int:
        match = re.fullmatch(r"/(\d+)", urlsplit(self._redis_server).path)
        return int(match.group(1)) if match else 0

    @property
    def _count_of_numbers(self) -> int:
        with redis.Redis.from_url(self._redis_server, socket_timeout=10, decode_responses=True) as client:
            return int(client.config_get("databases")["databases"])


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, from a thread with its own loop: the caller's may be running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


@contextmanager
def started(server: Server) -> Iterator[Server]:
    """Run an embedded server until the block ends. It also ends with this process, however that ends."""
    server.prepare()
    command = server.command()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command.argv, env=command.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            if not run(_answers(server, process)):
                log.seek(0)
                raise RuntimeError(f"{type(server).__name__} did not start:\n{log.read()[-2_000:]}")
            yield server
        finally:
            stop(process, command.stop_signal)


async def _answers(server: Server, process: subprocess.Popen[Any]) -> bool:
    """Whether the server answers before its process or our patience ends."""
    ready = asyncio.ensure_future(server.wait_ready(START_TIMEOUT_S))
    while not ready.done() and process.poll() is None:
        await asyncio.wait([ready], timeout=0.05)
    if ready.done():
        return ready.exception() is None
    ready.cancel()
    return False


def stop(process: subprocess.Popen[Any], how: int) -> None:
    """Ask the process to end, and end it."""
    process.send_signal(how)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        sys.stderr.write(f"pid {process.pid} had to be killed\n")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The stores of this run, gone when it ends."""
    database, store = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskrunner-test-")))
        if not database:
            # Nothing here outlives the run: losing it in a power cut costs nothing, syncing it costs minutes.
            unsynced = {"fsync": "off", "full_page_writes": "off"}
            database = stack.enter_context(started(Postgres(data / "postgres", settings=unsynced))).url
        if not store:
            valkey = Valkey(data / "valkey", databases=REDIS_DATABASES, settings={"save": '""'})
            store = stack.enter_context(started(valkey)).url
        servers = Servers(database, store)
        stack.callback(servers.drop_all)
        yield servers
