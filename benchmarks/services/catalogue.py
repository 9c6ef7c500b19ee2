"""Which services stand side by side, and how each is started and asked."""

from __future__ import annotations

from dataclasses import dataclass

WEB = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "sqlalchemy[asyncio]==2.1.9")


@dataclass(frozen=True)
class Service:
    """``app`` is served by uvicorn, one process; without a ``worker`` it only answers. No packages: our environment."""

    name: str
    app: str
    path: str
    body: str
    packages: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    settings: str = ""
    batch_path: str = ""

    @property
    def environment(self) -> str:
        return f"service-{self.name.split()[-1].lower()}"


OURS = Service(
    name="ours",
    app="service.app:create_app",
    path="/api/v1/tasks",
    body='{"type": "bench_noop", "input": {}}',
    worker=("-m", "arq", "worker.WorkerSettings"),
    settings="one API, one worker with 100 slots",
    batch_path="/api/v1/tasks/batch",
)
CELERY = Service(
    name="FastAPI + Celery",
    app="benchmarks.services.with_celery:create_app",
    path="/tasks",
    body='{"type": "noop", "input": {}}',
    packages=(*WEB, "psycopg[binary]==3.3.9", "celery[redis]==5.7.0", "hiredis==3.5.0"),
    worker=("-m", "celery", "-A", "benchmarks.services.with_celery:queue", "worker", "--loglevel", "WARNING"),
    settings="one API, one worker of a child a core",
)
ARQ = Service(
    name="FastAPI + arq",
    app="benchmarks.services.with_arq:create_app",
    path="/tasks",
    body='{"type": "noop", "input": {}}',
    packages=(*WEB, "asyncpg==0.32.0", "arq==0.28.0", "redis[hiredis]==5.3.1"),
    worker=("-m", "arq", "benchmarks.services.with_arq.WorkerSettings"),
    settings="one API, one worker with 10 slots",
)
EMPTY = Service(
    name="empty FastAPI",
    app="benchmarks.yardstick:create_app",
    path="/api/v1/tasks",
    body=OURS.body,
    settings="our body models, no store, no middleware",
    batch_path=OURS.batch_path,
)
ALL = (OURS, CELERY, ARQ, EMPTY)
