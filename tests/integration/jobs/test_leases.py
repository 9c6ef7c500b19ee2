"""Leases: renewed while a job runs, lost by who does not renew, and what a late worker says then counts for nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from arq.connections import ArqRedis, create_pool

from tests.integration.jobs.conftest import Bench, eventually, named, reached
from tests.integration.jobs.test_jobs import add, enqueued
from worker.engine.jobs.exchange import Answer, Ask, Claimed, Ended
from worker.engine.jobs.line import Line
from worker.engine.jobs.pump import Pump
from worker.engine.jobs.scripts import Script


async def test_a_job_longer_than_its_lease_runs_once(redis: ArqRedis, bench: Bench) -> None:
    runs: list[int] = []

    async def long(ctx: dict[str, Any]) -> str:
        runs.append(ctx["job_try"])
        await asyncio.sleep(1.6)
        return "done"

    job = await enqueued(redis, "long")
    for _ in range(2):
        bench.start(*named(long=long), lease=1)
    assert await job.result(timeout=15, poll_delay=0.05) == "done"
    assert runs == [1]


async def test_a_late_worker_is_fenced_and_its_job_is_told_to_end(redis: ArqRedis, bench: Bench) -> None:
    begun: list[int] = []
    ended: list[str] = []
    go_on = asyncio.Event()

    async def work(ctx: dict[str, Any]) -> int:
        begun.append(ctx["job_try"])
        try:
            await reached(go_on, 30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return int(ctx["job_try"])

    job = await enqueued(redis, "work")
    late = bench.start(*named(work=work), lease=1)

    async def begun_by(count: int) -> bool:
        return len(begun) == count

    await eventually(lambda: begun_by(1))
    # As if another had taken the job while this one stood still.
    await redis.set(f"arq:in-progress:{job.job_id}", b"another:1", px=30_000)

    async def is_told() -> bool:
        return bool(ended)

    await eventually(is_told)
    assert (late.jobs_complete, late.jobs_failed, late.jobs_retried) == (0, 0, 0)
    assert await redis.get(f"arq:in-progress:{job.job_id}") == b"another:1"
    await redis.delete(f"arq:in-progress:{job.job_id}")
    await redis.zadd("arq:queue", {job.job_id: 1})
    await eventually(lambda: begun_by(2))
    go_on.set()
    assert await job.result(timeout=10, poll_delay=0.05) == 2


async def test_a_run_whose_lease_ended_unclaimed_keeps_its_job(redis: ArqRedis, bench: Bench) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(ctx: dict[str, Any]) -> int:
        begun.set()
        await reached(go_on)
        return int(ctx["job_try"])

    job = await enqueued(redis, "work")
    bench.start(*named(work=work), max_jobs=1)
    await reached(begun)
    await redis.delete(f"arq:in-progress:{job.job_id}")
    go_on.set()
    assert await job.result(timeout=10, poll_delay=0.02) == 1


async def test_a_cancelled_worker_gives_its_jobs_back_at_once(redis: ArqRedis, bench: Bench) -> None:
    begun: list[int] = []

    async def work(ctx: dict[str, Any]) -> str:
        begun.append(ctx["job_try"])
        if len(begun) <= 5:
            await asyncio.sleep(30)
        return "done"

    jobs = [await enqueued(redis, "work") for _ in range(5)]
    first = bench.start(*named(work=work))
    await bench.opened(first)

    async def all_begun() -> bool:
        return len(begun) == 5

    await eventually(all_begun)
    await first.close()
    assert first.jobs_retried == 5
    began_at = time.monotonic()
    await bench.burst(*named(work=work))
    assert time.monotonic() - began_at < 5, "no lease is waited for"
    assert [await job.result(timeout=5) for job in jobs] == ["done"] * 5


async def test_cancelling_a_worker_anywhere_in_an_exchange_loses_no_end(redis: ArqRedis, bench: Bench) -> None:
    ran: list[str] = []

    async def note(ctx: dict[str, Any]) -> None:
        ran.append(ctx["job_id"])

    jobs = {(await enqueued(redis, "note", _job_id=f"job-{n}")).job_id for n in range(300)}
    for stop in range(12):
        worker = bench.start(*named(note=note), max_jobs=20)
        await bench.opened(worker)
        await asyncio.sleep(0.001 + stop * 0.0013)
        await worker.close()
    await bench.burst(*named(note=note))
    assert set(ran) == jobs
    assert len(ran) == len(jobs), "none ran twice"
    assert await redis.zcard("arq:queue") == 0


async def test_a_job_cancelled_before_its_first_step_is_given_back_with_its_try(redis: ArqRedis, bench: Bench) -> None:
    take_claims = Pump._take_claims

    def cancelling(self: Pump, claimed: Sequence[Claimed], asked_at: float) -> None:
        take_claims(self, claimed, asked_at)
        for task in self._tasks.values():
            task.cancel()
        if claimed:
            patched.undo()

    job = await enqueued(redis, "add", 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pump, "_take_claims", cancelling)
        await bench.burst(*named(add=add))
    info = await job.result_info()
    assert info is not None
    assert (info.result, info.job_try) == (1, 1)


def ask(number: int, **given: Any) -> Ask:
    return Ask(number=number, token=f"w:{number}", want=given.pop("want", 0), lease_ms=5_000, order=[1], **given)


@pytest.fixture
async def line(redis: ArqRedis) -> Any:
    opened = Line(redis, ["arq:queue"])
    yield opened
    await opened.close()


async def test_an_exchange_asked_twice_is_applied_once(redis: ArqRedis, line: Line) -> None:
    await enqueued(redis, "add", 1, _job_id="one")
    first = await line.exchange(ask(1, want=5))
    again = await line.exchange(ask(1, want=5))
    assert first.claimed == again.claimed
    assert again.claimed[0].tries == 1
    job = first.claimed[0]
    ended = [Ended(job.job_id, job.place, job.token, job.tries, result=b"r", ttl_ms=60_000)]
    assert (await line.exchange(ask(2, finish=ended))).accepted == [1]
    assert (await line.exchange(ask(2, finish=ended))).accepted == [1]
    assert (await line.exchange(ask(3, finish=ended))).accepted == [0], "it ended: nobody speaks for it any more"


async def test_an_exchange_asked_again_after_an_outage_claims_nothing_anew(redis: ArqRedis, line: Line) -> None:
    await enqueued(redis, "add", 1, _job_id="one")
    evaluated, failures = line._evaluated, [ConnectionError("away")]

    async def failing(script: Script, blob: bytes) -> Any:
        if failures:
            raise failures.pop()
        return await evaluated(script, blob)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line, "_evaluated", failing)
        assert (await line.exchange(ask(1, want=5))).claimed == [], "it may be a job that runs here"
    assert len((await line.exchange(ask(2, want=5))).claimed) == 1


async def test_a_claim_told_again_leaves_out_what_others_took_since(redis: ArqRedis, line: Line) -> None:
    await enqueued(redis, "add", 1, _job_id="one")
    assert len((await line.exchange(ask(1, want=5))).claimed) == 1
    await redis.set("arq:in-progress:one", b"another:1", px=5_000)
    assert (await line.exchange(ask(1, want=5))).claimed == []


async def test_an_older_exchange_that_arrives_late_does_nothing(redis: ArqRedis, line: Line) -> None:
    await enqueued(redis, "add", 1, _job_id="one")
    assert len((await line.exchange(ask(2, want=1))).claimed) == 1
    await enqueued(redis, "add", 1, _job_id="two")
    with pytest.raises(ValueError, match="not enough values"):
        await line.exchange(ask(1, want=1))
    assert not await redis.exists("arq:in-progress:two")


async def test_an_end_of_a_job_redis_forgot_is_recorded_and_no_other_is_touched(redis: ArqRedis, line: Line) -> None:
    await enqueued(redis, "add", 1, _job_id="one")
    [job] = (await line.exchange(ask(1, want=1))).claimed
    ended = [Ended(job.job_id, job.place, job.token, job.tries, result=b"late", ttl_ms=60_000)]
    await redis.flushdb()
    assert (await line.exchange(ask(2, finish=ended))).accepted == [1]
    assert await redis.get("arq:result:one") == b"late"
    await redis.delete("arq:result:one")
    await enqueued(redis, "add", 2, _job_id="one")
    assert (await line.exchange(ask(3, finish=ended))).accepted == [0]
    assert await redis.exists("arq:job:one") == 1


async def test_hundreds_of_ends_and_claims_go_in_bounded_calls(redis: ArqRedis, bench: Bench) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for _ in range(1_300):
            pipe.zadd("arq:queue", {f"gone-{_}": 1})
        await pipe.execute()
    largest = 0
    exchange = Line.exchange

    async def measured(self: Line, given: Ask) -> Answer:
        nonlocal largest
        answer = await exchange(self, given)
        largest = max(largest, len(given.finish), len(answer.claimed))
        return answer

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Line, "exchange", measured)
        worker = await bench.burst(*named(add=add), max_jobs=1_300, keep_result=0)
    assert worker.jobs_failed == 1_300
    assert largest == 500


async def test_the_count_of_tries_outlives_a_stock_client(redis: ArqRedis, bench: Bench) -> None:
    other = await create_pool(bench.settings)
    await enqueued(redis, "add", 1, _job_id="one")
    await redis.set("arq:retry:one", 4, ex=60)
    await bench.burst(*named(add=add))
    [result] = await other.all_job_results()
    assert result.job_try == 5
    await other.aclose(close_connection_pool=True)
