"""Hooks: when each is called, what it is given, and what its error does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import JobStatus
from arq.worker import Retry

from tests.integration.jobs.conftest import Bench, named
from tests.integration.jobs.test_jobs import add, enqueued

JOB_HOOKS = ("on_job_start", "on_job_end", "after_job_end")


async def test_hooks_are_called_in_order_with_the_context(redis: ArqRedis, bench: Bench) -> None:
    called: list[tuple[str, Any, Any]] = []

    def telling(name: str) -> Callable[..., Any]:
        async def hook(ctx: dict[str, Any]) -> None:
            job_id = ctx.get("job_id")
            result = await redis.exists(f"arq:result:{job_id}") if job_id else None
            called.append((name, job_id, result))

        return hook

    async def work(ctx: dict[str, Any]) -> None:
        called.append(("job", ctx["job_id"], ctx["db"]))

    async def begin(ctx: dict[str, Any]) -> None:
        ctx["db"] = "opened"
        await telling("on_startup")(ctx)

    job = await enqueued(redis, "work", _job_id="one")
    hooks = {name: telling(name) for name in (*JOB_HOOKS, "on_shutdown")}
    worker = await bench.burst(*named(work=work), on_startup=begin, **hooks)
    await worker.close()
    assert called == [
        ("on_startup", None, None),
        ("on_job_start", "one", 0),
        ("job", "one", "opened"),
        ("on_job_end", "one", 0),
        ("after_job_end", "one", 1),
        ("on_shutdown", None, None),
    ]
    assert await job.status() == JobStatus.complete


async def broken(ctx: dict[str, Any]) -> None:
    raise ZeroDivisionError("a hook's")


async def leaving(ctx: dict[str, Any]) -> None:
    sys.exit(3)


@pytest.mark.parametrize("hook", ["on_job_end", "after_job_end", "on_shutdown"])
@pytest.mark.parametrize("fails", [broken, leaving])
async def test_the_error_of_a_later_hook_changes_nothing(
    redis: ArqRedis, bench: Bench, hook: str, fails: Callable[..., Any]
) -> None:
    jobs = [await enqueued(redis, "add", n) for n in range(3)]
    worker = await bench.burst(*named(add=add), **{hook: fails})
    await worker.close()
    assert [await job.result(timeout=5) for job in jobs] == [0, 1, 2]


async def test_the_error_of_the_first_hook_is_its_jobs(redis: ArqRedis, bench: Bench) -> None:
    async def start(ctx: dict[str, Any]) -> None:
        if ctx["job_id"] == "bad":
            raise ZeroDivisionError("a hook's")
        if ctx["job_id"] == "later" and ctx["job_try"] == 1:
            raise Retry

    jobs = {name: await enqueued(redis, "add", 1, _job_id=name) for name in ("bad", "later", "good")}
    worker = await bench.burst(*named(add=add), on_job_start=start)
    with pytest.raises(ZeroDivisionError):
        await jobs["bad"].result(timeout=5)
    assert [await jobs[name].result(timeout=5) for name in ("later", "good")] == [1, 1]
    assert (worker.jobs_complete, worker.jobs_failed, worker.jobs_retried) == (2, 1, 1)


@pytest.mark.parametrize(("fails", "raised"), [(broken, ZeroDivisionError), (leaving, RuntimeError)])
async def test_a_worker_whose_start_up_fails_does_not_start(
    redis: ArqRedis, bench: Bench, fails: Callable[..., Any], raised: type[Exception]
) -> None:
    await enqueued(redis, "add", 1)
    with pytest.raises(raised):
        await bench.burst(*named(add=add), on_startup=fails)
    assert await redis.zcard("arq:queue") == 1


async def test_a_cancelled_hook_loses_no_result(redis: ArqRedis, bench: Bench) -> None:
    async def cancelled(ctx: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    job = await enqueued(redis, "add", 1)
    await bench.burst(*named(add=add), on_job_end=cancelled, after_job_end=cancelled)
    assert await job.result(timeout=5) == 1
