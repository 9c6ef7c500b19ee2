"""What ``doctor`` finds, and what the service's own documents tell it. Pure: documents in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.client.models import Component, Health, TaskType, Worker

FIXES = {
    ("database", "not_migrated"): "bring the schema up to date: taskrunner migrate",
    ("database", "down"): "see that PostgreSQL runs and DATABASE_URL of the API points at it",
    ("broker", "down"): "see that Redis or Valkey runs and REDIS_URL of the API points at it; tasks run meanwhile",
}


class Level(StrEnum):
    """``WARNING`` is worth knowing and fails nothing."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; ``fix`` is what to do about it."""

    name: str
    level: Level
    detail: str
    fix: str | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, detail: str) -> Finding:
    return Finding(name, Level.OK, detail)


def warning(name: str, detail: str, fix: str | None = None) -> Finding:
    return Finding(name, Level.WARNING, detail, fix)


def failure(name: str, detail: str, fix: str) -> Finding:
    """What is broken always says what to do."""
    return Finding(name, Level.FAILURE, detail, fix)


def of_components(health: Health) -> Iterator[Finding]:
    """Each store. The broker being away only warns: tasks are accepted and run without it."""
    for name, component in health.components.items():
        facts = _facts(component)
        if component.status == "ok":
            yield ok(name, ", ".join(["ok", *facts]))
        else:
            found = warning if name == "broker" else failure
            fix = FIXES.get((name, component.status), "see what it says in its log")
            yield found(name, ", ".join([component.status, *facts]), fix)
        policy = _extra(component).get("eviction_policy")
        if policy not in {None, "noeviction"}:
            detail = f"Redis evicts keys when it is full ({policy}): queue hints may vanish and be found by the poll"
            yield warning("eviction", detail, "redis-cli CONFIG SET maxmemory-policy noeviction")


def of_versions(health: Health, own: str) -> Iterator[Finding]:
    """The service's version beside the one of this command."""
    theirs = health.versions.get("taskrunner")
    if theirs is None:
        return
    if theirs == own:
        yield ok("version", f"taskrunner {theirs}, Python {health.versions.get('python', '?')}")
    else:
        yield warning("version", f"the service is {theirs}, this command {own}", "install the same version here")


def of_workers(health: Health, workers: list[Worker], types: list[TaskType]) -> Iterator[Finding]:
    """Whether someone lives to do the work, on every queue and for every type."""
    if not workers:
        yield failure("workers", "none lives", "start one: taskrunner worker (make up starts one by itself)")
        return
    expected, slots = health.workers.expected, sum(worker.concurrency or 0 for worker in workers)
    versions = {worker.version for worker in workers}
    detail = f"{len(workers)} alive, {slots} tasks at once"
    if expected is not None and len(workers) < expected:
        yield warning("workers", f"{detail}, {expected} expected", "start the missing: taskrunner worker")
    elif len(versions) > 1:
        yield warning("workers", f"{detail}, of different versions: {_names(versions)}", "restart the older ones")
    else:
        yield ok("workers", detail)
    yield from _of_queues(health, workers, types)
    yield from _of_types(workers, types)


def _of_queues(health: Health, workers: list[Worker], types: list[TaskType]) -> Iterator[Finding]:
    served = {queue for worker in workers for queue in worker.queues}
    wanted = {kind.queue for kind in types if kind.queue} | health.queues.keys()
    if uncovered := wanted - served:
        fix = f"start one for them: taskrunner worker --queues {','.join(sorted(uncovered))}"
        yield warning("queues", f"no worker takes from {_names(uncovered)}", fix)
    else:
        yield ok("queues", f"{_names(served)}: all covered")


def _of_types(workers: list[Worker], types: list[TaskType]) -> Iterator[Finding]:
    """Types that every worker lacks an extra for."""
    if any(worker.types is None for worker in workers):
        return
    served = {name for worker in workers for name in worker.types or ()}
    unserved = [kind.name for kind in types if kind.name not in served]
    for name in unserved:
        reasons = {str(worker.missing[name]) for worker in workers if name in worker.missing}
        fix = (
            "; ".join(sorted(reasons))
            or "give a worker its module in TASKRUNNER_TASK_MODULES, or restart the older ones"
        )
        yield failure("types", f"no worker can run {name}", fix)
    if not unserved:
        yield ok("types", f"{len(types)} known, each has a worker")


def of_pools(health: Health, workers: list[Worker]) -> Iterator[Finding]:
    """Whether all pools together fit into PostgreSQL; nothing where the service does not tell its numbers."""
    database = _extra(health.components.get("database"))
    limit, api = database.get("max_connections"), _pool(database)
    pools = [None if worker.pool is None else worker.pool.size + worker.pool.overflow for worker in workers]
    if not isinstance(limit, int) or api is None or None in pools:
        return
    total = api + sum(pool or 0 for pool in pools)
    detail = f"API {api} + {len(pools)} workers {total - api} = {total} of PostgreSQL's {limit} connections"
    if total <= limit:
        yield ok("pools", detail)
    else:
        fix = "lower TASKRUNNER_API_POOL_SIZE, _OVERFLOW or the workers', or raise max_connections"
        yield failure("pools", detail, fix)


def _pool(holder: dict[str, Any] | None) -> int | None:
    pool = (holder or {}).get("pool")
    return pool["size"] + pool["overflow"] if isinstance(pool, dict) and {"size", "overflow"} <= pool.keys() else None


def _facts(component: Component) -> list[str]:
    """The component's plain facts beside its status, as ``name value``."""
    return [f"{name} {value}" for name, value in _extra(component).items() if isinstance(value, str | int | float)]


def _extra(component: Component | None) -> dict[str, Any]:
    return (component.model_extra or {}) if component is not None else {}


def _names(values: Iterable[str | None]) -> str:
    return ", ".join(sorted(value for value in values if value))
