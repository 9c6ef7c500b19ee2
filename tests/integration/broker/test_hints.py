"""Hints in a real Redis: added once, taken in order, bounded, and readable by arq."""

from __future__ import annotations

import random
import time
from uuid import UUID

import msgpack
import pytest
from arq.jobs import Job, JobStatus

import shared.broker.hints
from shared.broker.connection import Broker
from shared.broker.hints import PRIORITIES, Hint, HintQueue, Taken, offer_hints
from shared.broker.keys import HINT_LIMIT, JOB_PREFIX, TASK_FUNCTION, queue_key, wake_key
from shared.domain.ids import new_id
from tests.integration.broker.conftest import eventually

QUEUES = ("urgent", "ai_processing", "demo_tasks")


@pytest.fixture
def hints(broker: Broker) -> HintQueue:
    return HintQueue(broker)


def hint(queue: str = "demo_tasks", priority: int = 5, delay_ms: int = 0) -> Hint:
    return Hint(new_id(), queue, priority, delay_ms)


async def ids_of(hints: HintQueue, queues: tuple[str, ...], most: int) -> list[UUID]:
    return [UUID(task_id) for task_id in (await hints.take(queues, most)).ids]


async def test_adding_twice_is_adding_once(hints: HintQueue) -> None:
    one = hint()
    assert await hints.add([one]) == 1
    assert await hints.add([one, one]) == 0
    assert await ids_of(hints, QUEUES, 10) == [one.task_id]
    assert await hints.take(QUEUES, 10) == Taken([], None)


async def test_adding_again_never_postpones_and_may_hasten(hints: HintQueue) -> None:
    task = new_id()
    await hints.add([Hint(task, "demo_tasks", 5, 60_000)])
    await hints.add([Hint(task, "demo_tasks", 5, 90_000)])
    wait = (await hints.take(QUEUES, 10)).next_due_ms
    assert wait is not None
    assert 59_000 < wait <= 60_000
    await hints.add([Hint(task, "demo_tasks", 5, 0)])
    assert await ids_of(hints, QUEUES, 10) == [task]


async def test_hints_come_by_queue_then_priority_then_time(hints: HintQueue) -> None:
    added = [hint(queue, priority) for queue in QUEUES for priority in PRIORITIES for _ in range(3)]
    random.Random(7).shuffle(added)  # noqa: S311 - an order, no secret
    for one in added:
        await hints.add([one])
    arrival = {one.task_id: place for place, one in enumerate(added)}
    expected = sorted(added, key=lambda h: (QUEUES.index(h.queue), h.priority, arrival[h.task_id]))
    taken: list[UUID] = []
    while batch := await ids_of(hints, QUEUES, 7):
        assert len(batch) <= 7
        taken += batch
    groups = {one.task_id: (QUEUES.index(one.queue), one.priority) for one in added}
    assert [groups[i] for i in taken] == [groups[h.task_id] for h in expected]
    assert set(taken) == set(arrival)


async def test_one_call_adds_to_every_set(hints: HintQueue, broker: Broker) -> None:
    added = [hint(queue, priority) for _ in range(2) for queue in QUEUES for priority in PRIORITIES]
    assert await hints.add(added) == len(added)
    for queue in QUEUES:
        for priority in PRIORITIES:
            mine = {str(h.task_id).encode() for h in added if (h.queue, h.priority) == (queue, priority)}
            assert set(await broker.queue.zrange(queue_key(queue, priority), 0, -1)) == mine
        assert await broker.queue.llen(wake_key(queue)) == 1  # type: ignore[misc]


async def test_an_older_hint_of_the_same_priority_goes_first(hints: HintQueue, broker: Broker) -> None:
    late, early = hint(), hint()
    await hints.add([late, early])
    await broker.queue.zincrby(queue_key("demo_tasks", 5), -1_000, str(early.task_id))
    assert await ids_of(hints, QUEUES, 2) == [early.task_id, late.task_id]


async def test_only_the_queues_asked_for_are_taken_in_the_order_asked(hints: HintQueue) -> None:
    here, there, elsewhere = hint("demo_tasks", 9), hint("urgent", 0), hint("ai_processing", 0)
    await hints.add([here, there, elsewhere])
    assert await ids_of(hints, ("demo_tasks", "urgent"), 10) == [here.task_id, there.task_id]
    assert await ids_of(hints, ("ai_processing",), 10) == [elsewhere.task_id]


async def test_a_deferred_hint_is_told_of_and_comes_due(hints: HintQueue) -> None:
    later, much_later = hint(delay_ms=150), hint(priority=0, delay_ms=60_000)
    await hints.add([much_later, later])
    taken = await hints.take(QUEUES, 10)
    assert taken.ids == []
    assert taken.next_due_ms is not None
    assert 0 < taken.next_due_ms <= 150
    found: list[UUID] = []
    started = time.monotonic()

    async def comes() -> bool:
        found.extend(await ids_of(hints, QUEUES, 10))
        return bool(found)

    await eventually(comes)
    assert found == [later.task_id]
    assert time.monotonic() - started > 0.1, "not before its time"
    wait = (await hints.take(QUEUES, 10)).next_due_ms
    assert wait is not None
    assert 50_000 < wait <= 60_000


async def test_what_is_left_behind_is_due_at_once(hints: HintQueue) -> None:
    await hints.add([hint() for _ in range(3)])
    taken = await hints.take(QUEUES, 2)
    assert (len(taken.ids), taken.next_due_ms) == (2, 0)


@pytest.mark.parametrize("delay_ms", [0, 3_600_000], ids=["due", "deferred"])
async def test_a_full_queue_takes_no_more_hints_and_others_do(
    hints: HintQueue, broker: Broker, monkeypatch: pytest.MonkeyPatch, delay_ms: int
) -> None:
    monkeypatch.setattr(shared.broker.hints, "HINT_LIMIT", 3)
    assert await hints.add([hint(delay_ms=delay_ms) for _ in range(5)]) == 3
    assert await broker.queue.zcard(queue_key("demo_tasks", 5)) == 3
    assert await broker.queue.exists(*[key async for key in broker.queue.scan_iter(JOB_PREFIX + "*")]) == 3
    assert await hints.add([hint(priority=4), hint("urgent")]) == 2


async def test_what_is_planned_for_later_takes_no_room_from_what_is_due(
    hints: HintQueue, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.broker.hints, "HINT_LIMIT", 3)
    assert await hints.add([hint(delay_ms=3_600_000) for _ in range(5)]) == 3
    due = [hint() for _ in range(5)]
    assert await hints.add(due) == 3
    assert await hints.add([hint(), hint(delay_ms=3_600_000)]) == 0
    assert await broker.queue.zcard(queue_key("demo_tasks", 5)) == 6
    assert set(await ids_of(hints, QUEUES, 10)) == {one.task_id for one in due[:3]}
    assert await hints.add([hint()]) == 1


async def test_what_became_due_meanwhile_counts_as_due(
    hints: HintQueue, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often that happens: the set stays bounded."""
    monkeypatch.setattr(shared.broker.hints, "HINT_LIMIT", 3)
    key = queue_key("demo_tasks", 5)
    for _ in range(4):
        await hints.add([hint(delay_ms=3_600_000) for _ in range(5)])
        await broker.queue.zadd(key, dict.fromkeys(await broker.queue.zrange(key, 0, -1), 1.0))
    assert await broker.queue.zcard(key) == 6
    assert await hints.add([hint()]) == 0


def test_the_limit_is_the_documented_one() -> None:
    assert HINT_LIMIT == 10_000


async def test_a_large_batch_goes_in_pieces_and_all_arrives(hints: HintQueue) -> None:
    many = [hint() for _ in range(1_201)]
    assert await hints.add(many) == 1_201
    taken = [await ids_of(hints, QUEUES, 1_000) for _ in range(4)]
    assert [len(ids) for ids in taken] == [500, 500, 201, 0]
    assert {task_id for ids in taken for task_id in ids} == {h.task_id for h in many}


async def test_a_server_that_forgot_the_scripts_is_taught_again(hints: HintQueue, broker: Broker) -> None:
    one, two = hint(), hint()
    await hints.add([one])
    await broker.queue.script_flush()
    await hints.add([two])
    await broker.queue.script_flush()
    assert set(await ids_of(hints, QUEUES, 10)) == {one.task_id, two.task_id}


async def test_arq_itself_reads_a_hint_as_one_of_its_jobs(hints: HintQueue, broker: Broker) -> None:
    one = hint(delay_ms=30_000)
    before = time.time()
    await hints.add([one])
    name = queue_key(one.queue, one.priority)
    job = Job(str(one.task_id), broker.queue, _queue_name=name, _deserializer=msgpack.unpackb)
    info = await job.info()
    assert info is not None
    assert (info.function, tuple(info.args), info.kwargs) == (TASK_FUNCTION, (str(one.task_id),), {})
    assert before - 1 <= info.enqueue_time.timestamp() <= time.time() + 1
    assert info.score is not None
    assert info.score / 1000 == pytest.approx(before + 30, abs=5)
    assert await job.status() is JobStatus.deferred


async def test_a_payload_is_no_pickle(hints: HintQueue, broker: Broker) -> None:
    one = hint()
    await hints.add([one])
    raw = await broker.queue.get(f"{JOB_PREFIX}{one.task_id}")
    assert msgpack.unpackb(raw)["f"] == TASK_FUNCTION
    assert raw[:1] != b"\x80", "pickle's first byte"


async def test_a_job_outlives_its_delay_and_not_for_ever(hints: HintQueue, broker: Broker) -> None:
    one = hint(delay_ms=7_200_000)
    await hints.add([one])
    left = await broker.queue.pttl(f"{JOB_PREFIX}{one.task_id}")
    assert 7_200_000 < left <= 7_200_000 + 86_400_000


async def test_taking_leaves_nothing_behind(hints: HintQueue, broker: Broker) -> None:
    await hints.add([hint(queue) for queue in QUEUES])
    await hints.take(QUEUES, 10)
    await broker.queue.delete(*(wake_key(queue) for queue in QUEUES))
    assert [key async for key in broker.queue.scan_iter()] == []


async def test_a_hint_whose_job_is_gone_is_taken_all_the_same(hints: HintQueue, broker: Broker) -> None:
    one = hint()
    await hints.add([one])
    await broker.queue.delete(f"{JOB_PREFIX}{one.task_id}")
    assert await ids_of(hints, QUEUES, 10) == [one.task_id]


async def test_an_offer_says_whether_redis_took_it(broker: Broker, hints: HintQueue) -> None:
    assert await offer_hints(broker, hints, [hint() for _ in range(3)])
    broker.trip()
    assert not await offer_hints(broker, hints, [hint()])
