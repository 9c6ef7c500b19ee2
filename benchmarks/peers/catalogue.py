"""Which queues stand beside ours: their pinned packages, the settings they recommend, and what they keep of a task."""

from __future__ import annotations

from dataclasses import dataclass, replace

SLOTS = 100
"""Of a worker that runs coroutines, where nothing else is said.

Threads and children are as many as the library starts by itself.
"""


@dataclass(frozen=True)
class Peer:
    """One column of the comparison. ``drain`` is about four seconds of work; ``worker`` a command of its own venv.

    ``left`` counts the tasks that are not settled: a Lua script for Redis, a SELECT for PostgreSQL.
    """

    name: str
    packages: tuple[str, ...]
    worker: tuple[str, ...]
    left: str
    drain: int
    settings: str
    keeps: str
    variant: str = ""
    slots: int = SLOTS
    poll_s: float = 0.02
    """Pauses between pick-ups are spread evenly over so long, so that none keeps step with its poll."""

    @property
    def module(self) -> str:
        """Its adapter."""
        return self.name.partition(" ")[0]

    @property
    def environment(self) -> str:
        return f"queue-{self.module}"

    @property
    def is_durable(self) -> bool:
        """Whether a task's end is committed to PostgreSQL."""
        return self.left.startswith("SELECT")


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return ("python", "-m", name, *arguments)


OURS = Peer(
    name="ours",
    packages=(),
    worker=_module("arq", "worker.WorkerSettings"),
    left="SELECT count(*) FROM tasks WHERE status IN ('PENDING', 'RETRYING', 'PROCESSING')",
    drain=40_000,
    settings=f"concurrency {SLOTS}, no recycling",
    keeps="a row for ever: input, each state, attempt, worker, result or error",
)
# PgQueuer has no slots, but a batch: half of ours are one claim.
OURS_200 = replace(OURS, name="ours 200", slots=200, settings="concurrency 200: claims of 100, no recycling")
# Its command breaks with typer 0.29.
PGQUEUER = ("pgqueuer[asyncpg,cli]==1.6.0", "asyncpg==0.32.0", "typer==0.16.1")
# The nearest come first: right behind ours they meet the same moment of the machine.
PEERS = (
    Peer(
        name="pgqueuer 100",
        packages=PGQUEUER,
        worker=_module(*("pgqueuer", "run", "benchmarks.peers.pgqueuer:runner", "--batch-size", "100")),
        left="SELECT count(*) FROM pgqueuer",
        drain=30_000,
        settings="batches of 100, tables logged",
        keeps="log rows of its states; no arguments, no result",
    ),
    Peer(
        name="pgqueuer",
        packages=PGQUEUER,
        worker=_module("pgqueuer", "run", "benchmarks.peers.pgqueuer:runner"),
        left="SELECT count(*) FROM pgqueuer",
        drain=15_000,
        settings="batches of 10 (default), tables logged",
        keeps="log rows of its states; no arguments, no result",
    ),
    Peer(
        name="arq",
        packages=("arq==0.28.0", "redis[hiredis]==5.3.1"),
        worker=_module("arq", "benchmarks.peers.arq.WorkerSettings"),
        left="return redis.call('ZCARD', 'arq:queue')",
        drain=3_500,
        settings=f"max_jobs {SLOTS}",
        keeps="the result in Redis for an hour",
        poll_s=0.5,
    ),
    Peer(
        name="saq",
        packages=("saq[hiredis]==0.26.4", "typing-extensions==4.15.0"),  # which it forgets to name
        worker=_module("saq", "benchmarks.peers.saq.settings"),
        left="return redis.call('ZCARD', 'saq:default:incomplete')",
        drain=4_000,
        settings=f"Redis, concurrency {SLOTS}",
        keeps="the job with its result in Redis for ten minutes",
    ),
    Peer(
        name="taskiq",
        packages=("taskiq[uv]==0.13.0", "taskiq-redis==1.2.4"),
        worker=_module("taskiq", "worker", "--workers", "1", "benchmarks.peers.taskiq:broker"),
        left="return redis.call('XPENDING', 'taskiq', 'taskiq')[1]",
        drain=6_000,
        settings="Redis streams, 1 process, 100 tasks (default), uvloop",
        keeps="nothing",
    ),
    Peer(
        name="taskiq results",
        packages=("taskiq[uv]==0.13.0", "taskiq-redis==1.2.4"),
        worker=_module("taskiq", "worker", "--workers", "1", "benchmarks.peers.taskiq:broker"),
        left="return redis.call('XPENDING', 'taskiq', 'taskiq')[1]",
        drain=3_500,
        settings="the same with its Redis result backend",
        keeps="the result in Redis for an hour",
        variant="results",
    ),
    Peer(
        name="streaq",
        packages=("streaq==7.2.0",),
        worker=_module("streaq", "run", "benchmarks.peers.streaq:worker"),
        left="return redis.call('XLEN', 'streaq:default:queues:stream:default')",
        drain=3_000,
        settings=f"concurrency {SLOTS}",
        keeps="the result in Redis for five minutes",
    ),
    Peer(
        name="dramatiq",
        packages=("dramatiq[redis]==2.2.1", "hiredis==3.5.0"),
        worker=_module("dramatiq", "benchmarks.peers.dramatiq", "--processes", "1"),
        left="return redis.call('HLEN', 'dramatiq:default.msgs')",
        drain=6_000,
        settings="Redis, 1 process of 8 threads (default)",
        keeps="nothing",
        poll_s=0.2,
    ),
    Peer(
        name="huey",
        packages=("huey==3.5.4", "redis[hiredis]==5.3.1"),
        worker=_module("huey.bin.huey_consumer", "benchmarks.peers.huey.huey", "-k", "thread", "-w", "10"),
        left="return redis.call('LLEN', 'huey.redis.bench')",
        drain=5_000,
        settings="Redis, 10 threads",
        keeps="the result in Redis until it is read; a task is gone once taken",
    ),
    Peer(
        name="celery",
        packages=("celery[redis]==5.7.0", "hiredis==3.5.0"),
        worker=_module("celery", "-A", "benchmarks.peers.celery", "worker", "--loglevel", "WARNING"),
        left="return redis.call('LLEN', 'celery') + redis.call('HLEN', 'unacked')",
        drain=2_500,
        settings="Redis, prefork, a child a core (default)",
        keeps="the result in Redis for a day",
    ),
    Peer(
        name="procrastinate",
        packages=("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
        worker=_module(
            *("procrastinate", "--log-level", "warning", "--app", "benchmarks.peers.procrastinate.app"),
            *("worker", "--concurrency", str(SLOTS)),
        ),
        left="SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')",
        drain=1_200,
        settings=f"concurrency {SLOTS}",
        keeps="a row for ever: arguments, state, an event a change; no result",
    ),
)
ALL = (OURS, OURS_200, *PEERS)


def chosen(names: str | None) -> tuple[Peer, ...]:
    """Those named by ``a,b``: a library's name means all of its columns. Raises: ValueError."""
    wanted = set(names.split(",")) if names else {peer.name for peer in ALL}
    found = tuple(peer for peer in ALL if peer.name in wanted or peer.module in wanted)
    if unknown := wanted - {name for peer in found for name in (peer.name, peer.module)}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(peer.name for peer in ALL)}")
    return found
