"""Which job starts when: slots, bursts, several queues, pauses, wakes, and what lies at the head of a set."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from arq.connections import ArqRedis

from tests.integration.jobs.conftest import Bench, eventually, named, reached
from tests.integration.jobs.test_jobs import add, enqueued
from worker.engine.jobs import WakingRedis, pause_queue, pump, resume_queue
from worker.engine.jobs.exchange import Answer, Ask
from worker.engine.jobs.line import Line


class Order:
    """A job that notes its name."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @property
    def functions(self) -> Any:
        async def note(ctx: dict[str, Any], name: str) -> None:
            self.names.append(name)

        return named(note=note)


async def test_no_more_jobs_run_at_once_than_allowed(redis: ArqRedis, bench: Bench) -> None:
    running, most = 0, 0

    async def count(ctx: dict[str, Any]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    for _ in range(20):
        await enqueued(redis, "count")
    worker = await bench.burst(*named(count=count), max_jobs=4)
    assert (worker.jobs_complete, most) == (20, 4)


async def test_every_slot_is_used_though_a_claim_takes_half_of_them(redis: ArqRedis, bench: Bench) -> None:
    slots, running, most = pump.HALVES_FROM + 1, 0, 0
    go_on = asyncio.Event()

    async def count(ctx: dict[str, Any]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await reached(go_on)
        running -= 1

    for _ in range(2 * slots):
        await enqueued(redis, "count")
    worker = bench.start(*named(count=count), max_jobs=slots)

    async def all_run() -> bool:
        return running == slots

    await eventually(all_run)
    go_on.set()

    async def all_done() -> bool:
        return worker.jobs_complete == 2 * slots

    await eventually(all_done)
    assert most == slots


async def test_a_deferred_job_is_waited_for_by_a_timer(
    redis: ArqRedis, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "POLL_SECONDS", 60.0)
    job = await enqueued(redis, "add", 1, _defer_by=0.5)
    bench.start(*named(add=add))
    assert await job.result(timeout=20, poll_delay=0.02) == 1


async def test_jobs_that_are_due_first_start_first(redis: ArqRedis, bench: Bench) -> None:
    order = Order()
    for n in range(10):
        await enqueued(redis, "note", str(n))
        await asyncio.sleep(0.002)
    await bench.burst(*order.functions, max_jobs=3)
    assert order.names == [str(n) for n in range(10)]


@pytest.mark.parametrize(("most", "ran"), [(0, 0), (3, 3), (-1, 5)])
async def test_a_burst_may_be_limited(redis: ArqRedis, bench: Bench, most: int, ran: int) -> None:
    for n in range(5):
        await enqueued(redis, "add", n)
    worker = await bench.burst(*named(add=add), max_burst_jobs=most)
    assert worker.jobs_complete == ran
    assert await redis.zcard("arq:queue") == 5 - ran


async def test_a_worker_serves_its_own_queue_alone(redis: ArqRedis, bench: Bench) -> None:
    mine = await enqueued(redis, "add", 1, _queue_name="mine")
    await enqueued(redis, "add", 2)
    worker = await bench.burst(*named(add=add), queue_name="mine")
    assert worker.jobs_complete == 1
    assert await mine.result(timeout=5) == 1
    assert await redis.zcard("arq:queue") == 1


async def test_the_first_queue_goes_first_and_the_last_does_not_starve(redis: ArqRedis, bench: Bench) -> None:
    order = Order()
    for _ in range(40):
        await enqueued(redis, "note", "last", _queue_name="last")
        await enqueued(redis, "note", "first", _queue_name="first")
    await bench.burst(*order.functions, queues=["first", "last"], max_jobs=1)
    assert len(order.names) == 80
    begun = order.names[:40]
    assert 3 <= begun.count("last") <= 15, begun


async def test_nothing_of_a_paused_queue_starts_until_it_is_resumed(redis: ArqRedis, bench: Bench) -> None:
    order = Order()
    await pause_queue(redis, "held")
    await enqueued(redis, "note", "held", _queue_name="held")
    await enqueued(redis, "note", "free", _queue_name="free")
    bench.start(*order.functions, queues=["held", "free"])

    async def ran(count: int) -> bool:
        return len(order.names) == count

    await eventually(lambda: ran(1))
    await asyncio.sleep(0.4)  # longer than a poll: it had its chance
    assert order.names == ["free"]
    await resume_queue(redis, "held")
    await eventually(lambda: ran(2))


async def test_a_burst_ends_though_a_paused_queue_holds_jobs(redis: ArqRedis, bench: Bench) -> None:
    await pause_queue(redis, "arq:queue")
    await enqueued(redis, "add", 1)
    assert (await bench.burst(*named(add=add))).jobs_complete == 0
    await resume_queue(redis, "arq:queue")


async def test_our_producer_wakes_an_idle_worker(redis: ArqRedis, bench: Bench) -> None:
    waits: list[float] = []

    async def note(ctx: dict[str, Any], at: float) -> None:
        waits.append(time.monotonic() - at)

    producer = WakingRedis.of(redis)
    bench.start(*named(note=note))
    for count in range(1, 12):
        await asyncio.sleep(0.03)
        assert await producer.enqueue_job("note", time.monotonic()) is not None

        async def ran(count: int = count) -> bool:
            return len(waits) == count

        await eventually(ran)
    assert sorted(waits)[5] < 0.1, "a poll alone comes every 0.25 s"


async def test_a_busy_worker_listens_for_no_wakes(
    redis: ArqRedis, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, exchanged = 0, 0
    blpop, exchange = WakingRedis.blpop, Line.exchange

    def counted(self: WakingRedis, keys: Any, timeout: int) -> Any:
        nonlocal asked
        asked += 1
        return blpop(self, keys, timeout)

    async def counted_exchange(self: Line, ask: Ask) -> Answer:
        nonlocal exchanged
        exchanged += 1
        return await exchange(self, ask)

    monkeypatch.setattr(WakingRedis, "blpop", counted)
    monkeypatch.setattr(Line, "exchange", counted_exchange)
    for n in range(400):
        await enqueued(redis, "add", n)
    assert (await bench.burst(*named(add=add), max_jobs=pump.HALVES_FROM)).jobs_complete == 400
    assert exchanged >= 20
    assert asked <= 4


async def test_our_producer_is_arqs_in_all_else(redis: ArqRedis, bench: Bench) -> None:
    producer = WakingRedis.of(redis)
    job = await producer.enqueue_job("add", 40, b=2, _job_id="one", _defer_by=0.2, _job_try=2)
    assert job is not None
    assert await producer.enqueue_job("add", 1, _job_id="one") is None
    assert (await redis.pttl("arq:job:one")) > 86_000_000
    await bench.burst(*named(add=add))
    assert await job.result(timeout=5) == 42
    info = await job.result_info()
    assert info is not None
    assert info.job_try == 2
    with pytest.raises(RuntimeError):
        await producer.enqueue_job("add", _defer_by=1, _defer_until=info.start_time)


async def test_a_job_enqueues_the_next_through_its_context(redis: ArqRedis, bench: Bench) -> None:
    async def chain(ctx: dict[str, Any], left: int) -> None:
        if left:
            await ctx["redis"].enqueue_job("chain", left - 1)

    await enqueued(redis, "chain", 5)
    assert (await bench.burst(*named(chain=chain))).jobs_complete == 6


async def test_jobs_of_stock_workers_are_left_alone_and_hide_nothing(redis: ArqRedis, bench: Bench) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for n in range(150):
            pipe.set(f"arq:job:held-{n}", b"?", ex=60)
            pipe.set(f"arq:in-progress:held-{n}", b"1", ex=60)
            pipe.zadd("arq:queue", {f"held-{n}": n + 1})
        await pipe.execute()
    job = await enqueued(redis, "add", 7)
    worker = bench.start(*named(add=add), max_jobs=10)
    assert await job.result(timeout=10, poll_delay=0.02) == 7
    assert worker.jobs_failed == 0
    assert await redis.zcard("arq:queue") == 150


async def test_a_forgotten_script_is_sent_again(redis: ArqRedis, bench: Bench) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(ctx: dict[str, Any]) -> str:
        begun.set()
        await reached(go_on)
        return "done"

    job = await enqueued(redis, "work")
    bench.start(*named(work=work))
    await reached(begun)
    await redis.script_flush()
    go_on.set()
    assert await job.result(timeout=10, poll_delay=0.02) == "done"
    await redis.script_flush()
    assert await WakingRedis.of(redis).enqueue_job("work") is not None
