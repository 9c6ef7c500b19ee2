"""What a soak breaks: two APIs and three workers over a PostgreSQL and a Valkey, behind a proxy each.

The first API and the first worker are veterans: no fault is aimed at them, so they live as long as the soak and show
what it costs to live through the rest.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.db.migrate import upgrade
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.postgres import Postgres
from shared.embedded.valkey import Valkey
from tests.support.faults import Keeper, Store
from tests.support.processes import Child, Processes
from tests.support.proxy import Proxy

APIS, WORKERS = 2, 3
SMALL_POOLS = {
    "TASKRUNNER_API_POOL_SIZE": "5",
    "TASKRUNNER_API_POOL_OVERFLOW": "10",
    "TASKRUNNER_WORKER_POOL_SIZE": "3",
    "TASKRUNNER_WORKER_POOL_OVERFLOW": "3",
}
"""Full soon, so that a connection that leaks is not taken for a pool that fills."""
MOST_CONNECTIONS = APIS * 15 + WORKERS * (6 + 1)


@dataclass
class Post:
    """A place that always holds a process, and which of its exits the faults explain (exit code to count)."""

    name: str
    url: str
    keeper: Keeper
    children: list[Child]
    explained: Counter[int] = field(default_factory=Counter)

    @property
    def unexplained(self) -> Counter[int]:
        return Counter(self.keeper.exits) - self.explained


@dataclass(frozen=True)
class Arena:
    """Everything that runs. ``database_url`` and ``valkey.url`` go past the proxies."""

    postgres: Store
    valkey: Store
    to_postgres: Proxy
    to_valkey: Proxy
    apis: list[Post]
    workers: list[Post]

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def posts(self) -> list[Post]:
        return [*self.apis, *self.workers]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Arena]:
    """Start everything below ``folder``; at the end, all of it ends, and what the processes said is in ``logs``."""
    processes = Processes()
    async with AsyncExitStack() as stack:
        # Kept over a restart: half of what a hint says may be old.
        valkey = await stack.enter_async_context(Store(Valkey(folder / "valkey")))
        postgres = await stack.enter_async_context(Store(Postgres(folder / "postgres")))
        await upgrade(postgres.url)
        to_postgres = await stack.enter_async_context(Proxy.before(postgres.url))
        to_valkey = await stack.enter_async_context(Proxy.before(valkey.url))
        env = _environment(folder, to_postgres.url, to_valkey.url)
        stack.callback(processes.reap_all)
        posts: list[Post] = []
        stack.callback(lambda: _keep_logs(posts, folder / "logs"))
        posts += [_post(f"api-{n + 1}", lambda port: processes.api(port, env)) for n in range(APIS)]
        posts += [
            _post(f"worker-{n + 1}", lambda port: processes.worker(_with_health(env, port))) for n in range(WORKERS)
        ]
        for post in posts:
            await stack.enter_async_context(post.keeper)
        yield Arena(postgres, valkey, to_postgres, to_valkey, posts[:APIS], posts[APIS:])


def _post(name: str, start: Callable[[int], Child]) -> Post:
    children: list[Child] = []
    port = free_port()

    def started() -> Child:
        children.append(start(port))
        return children[-1]

    url = f"http://{LOOPBACK}:{port}"
    return Post(name, url, Keeper(started, f"{url}/health/ready"), children)


def _with_health(env: dict[str, str], port: int) -> dict[str, str]:
    return {**env, "TASKRUNNER_WORKER_HEALTH_PORT": str(port)}


def _environment(folder: Path, database_url: str, redis_url: str) -> dict[str, str]:
    return {
        **SMALL_POOLS,
        "TASKRUNNER_CONCURRENCY": "8",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_RESULT_URL": redis_url.removesuffix("/0") + "/1",
        "TASKRUNNER_STORAGE_DIR": str(folder / "files"),
        "TASKRUNNER_SECRET_KEY": "a secret of the soak",
        "TASKRUNNER_RETRY_BACKOFF_SCALE": "0.005",
        "TASKRUNNER_LOG_FORMAT": "json",
        "TASKRUNNER_MAX_TASKS_PER_WORKER": "0",  # recycling would hide what grows
        "TASKRUNNER_SHUTDOWN_GRACE": "2",
        "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks,tests.soak.work",
        "PYTHONPATH": ".",
    }


def _keep_logs(posts: list[Post], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for post in posts:
        for n, child in enumerate(post.children):
            with contextlib.suppress(OSError):
                (folder / f"{post.name}-{n}.log").write_text(child.output, encoding="utf-8")
