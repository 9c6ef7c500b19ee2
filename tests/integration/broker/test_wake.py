"""The wake list: one element at most, handed on by whoever leaves work behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.broker.connection import Broker
from shared.broker.hints import Hint, HintQueue
from shared.broker.keys import wake_key
from shared.broker.wake import Waker
from shared.domain.ids import new_id
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.integration.broker.conftest import eventually
from tests.support.stores import blocked_clients

QUEUES = ("urgent", "demo_tasks")
LONG = 20.0


@pytest.fixture
def hints(broker: Broker) -> HintQueue:
    return HintQueue(broker)


@pytest_asyncio.fixture
async def waker(broker: Broker, settings: Settings) -> AsyncIterator[Waker]:
    opened = Waker(broker, settings.redis_url.get_secret_value(), QUEUES)
    yield opened
    await opened.close()


def hint(queue: str = "demo_tasks", delay_ms: int = 0) -> Hint:
    return Hint(new_id(), queue, 5, delay_ms)


async def blocked(broker: Broker) -> bool:
    return bool(await blocked_clients(broker.queue))


async def seconds_asleep(waker: Waker, seconds: float) -> float:
    started = time.monotonic()
    await waker.sleep(seconds)
    return time.monotonic() - started


@pytest.mark.parametrize("queue", QUEUES)
async def test_a_hint_wakes_a_sleeper(broker: Broker, hints: HintQueue, waker: Waker, queue: str) -> None:
    sleeping = asyncio.create_task(waker.sleep(LONG))
    await eventually(lambda: blocked(broker))
    await hints.add([hint(queue)])
    async with asyncio.timeout(5):
        await sleeping
    assert not broker.is_away


async def test_a_hint_for_another_queue_wakes_nobody(hints: HintQueue, waker: Waker) -> None:
    await hints.add([hint("ai_processing")])
    assert await seconds_asleep(waker, 0.2) >= 0.15


async def test_a_hint_added_before_the_sleep_is_not_slept_through(hints: HintQueue, waker: Waker) -> None:
    await hints.add([hint()])
    assert await seconds_asleep(waker, LONG) < 5


async def test_nobody_wakes_a_sleeper_for_long_deferred_work(hints: HintQueue, waker: Waker) -> None:
    await hints.add([hint(delay_ms=60_000)])
    assert await seconds_asleep(waker, 0.2) >= 0.15


async def test_work_due_soon_wakes_so_that_the_timer_can_be_set(hints: HintQueue, waker: Waker) -> None:
    await hints.add([hint(delay_ms=1_500)])
    assert await seconds_asleep(waker, LONG) < 1.4


async def test_the_list_holds_one_element_at_most(broker: Broker, hints: HintQueue) -> None:
    await hints.add([hint() for _ in range(10)])
    await hints.add([hint() for _ in range(10)])
    assert await broker.queue.llen(wake_key("demo_tasks")) == 1  # type: ignore[misc]
    await hints.take(QUEUES, 3)
    await hints.take(QUEUES, 3)
    assert await broker.queue.llen(wake_key("demo_tasks")) == 1  # type: ignore[misc]


async def test_the_woken_one_is_told_what_is_due_and_not_what_only_will_be(hints: HintQueue, waker: Waker) -> None:
    now, soon = new_id(), new_id()
    await hints.add([Hint(now, "demo_tasks", 5)])
    assert await waker.sleep(LONG) == str(now)
    await hints.add([Hint(soon, "demo_tasks", 5, 1_500)])
    assert await waker.sleep(LONG) is None


async def test_whoever_leaves_work_wakes_the_next(hints: HintQueue, waker: Waker) -> None:
    await hints.add([hint() for _ in range(3)])
    assert await seconds_asleep(waker, LONG) < 5
    await hints.take(QUEUES, 2)
    assert await seconds_asleep(waker, LONG) < 5, "one is left"
    await hints.take(QUEUES, 2)
    assert await seconds_asleep(waker, 0.2) >= 0.15, "none is left"


async def test_one_hint_wakes_one_of_many_sleepers(broker: Broker, hints: HintQueue, settings: Settings) -> None:
    wakers = [Waker(broker, settings.redis_url.get_secret_value(), QUEUES) for _ in range(3)]
    sleeping = [asyncio.create_task(waker.sleep(LONG)) for waker in wakers]
    try:

        async def all_blocked() -> bool:
            return await blocked_clients(broker.queue) == len(wakers)

        await eventually(all_blocked)
        await hints.add([hint()])
        done, asleep = await asyncio.wait(sleeping, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(asleep)) == (1, 2)
    finally:
        for sleep in sleeping:
            sleep.cancel()
        await asyncio.gather(*sleeping, return_exceptions=True)
        for waker in wakers:
            await waker.close()


async def test_a_sleep_that_was_cancelled_swallows_no_later_wake(
    broker: Broker, hints: HintQueue, waker: Waker
) -> None:
    sleeping = asyncio.create_task(waker.sleep(LONG))
    await eventually(lambda: blocked(broker))
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)

    async def nobody_blocked() -> bool:
        return not await blocked(broker)

    await eventually(nobody_blocked)
    await hints.add([hint()])
    assert await seconds_asleep(waker, LONG) < 5


async def test_no_redis_is_told_at_once_and_trips_the_breaker(settings: Settings) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    broker = Broker(nowhere, nowhere)
    waker = Waker(broker, nowhere, QUEUES)
    assert await seconds_asleep(waker, LONG) < 5
    assert broker.is_away
    await waker.close()
    await broker.close()
