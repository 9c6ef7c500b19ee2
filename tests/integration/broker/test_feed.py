"""The feed of a tenant in Redis: only while somebody listens, numbered without a hole, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

import shared.broker.feed
from shared.broker.connection import Broker
from shared.broker.feed import Ear, FeedWriter
from shared.broker.keys import LISTENING_TTL_SECONDS, feed_key, listening_key
from shared.domain.happenings import Happening, Name
from shared.domain.ids import new_id
from shared.domain.states import Status
from tests.integration.broker.conftest import eventually

OURS, THEIRS = 1, 2


def started(tenant_id: int = OURS) -> Happening:
    return Happening(Name.STARTED, tenant_id, new_id(), "recite", "demo_tasks", Status.PROCESSING, 1, 1, wait=0.5)


@pytest_asyncio.fixture
async def writer(broker: Broker) -> AsyncIterator[FeedWriter]:
    made = FeedWriter(broker)
    sending = asyncio.create_task(made.send_for_ever())
    yield made
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def numbers(broker: Broker, tenant_id: int = OURS) -> list[tuple[int, int]]:
    found = await broker.results.xrange(feed_key(tenant_id))
    return [(int(high), int(low)) for high, low in (entry.split(b"-") for entry, _ in found)]


async def written(broker: Broker, count: int) -> None:
    async def there() -> bool:
        return len(await numbers(broker)) == count

    await eventually(there)


async def test_nothing_is_written_while_nobody_listens_nor_even_made(broker: Broker, writer: FeedWriter) -> None:
    made: list[Happening] = []

    def happenings() -> Any:
        made.append(started())
        yield made[-1]

    async def is_quiet() -> bool:
        before = len(made)
        writer.tell(happenings())
        return len(made) == before

    await eventually(is_quiet)
    assert await broker.results.keys() == []


async def test_who_listens_has_everything_in_order_and_by_number(broker: Broker, writer: FeedWriter) -> None:
    listening = await Ear(broker).listen(OURS)
    assert listening is not None
    assert (listening.last, listening.begins) == (0, True)
    happened = [started() for _ in range(450)]
    writer.tell(happened[:10])
    writer.tell(happened[10:])
    writer.tell([started(THEIRS)])
    await written(broker, 450)
    assert await numbers(broker) == [(listening.epoch, number) for number in range(1, 451)]
    assert await numbers(broker, THEIRS) == []
    found = await broker.results.xrange(feed_key(OURS))
    assert [orjson.loads(fields[b"data"])["id"] for _, fields in found] == [str(one.id) for one in happened]
    data = orjson.loads(found[0][1][b"data"])
    assert (data["type"], data["wait"], data["duration"]) == ("recite", 0.5, None)
    again = await Ear(broker).listen(OURS)
    assert again is not None
    assert (again.epoch, again.last, again.begins) == (listening.epoch, 450, False)
    for key in (feed_key(OURS), listening_key(OURS)):
        assert 0 < await broker.results.ttl(key) <= LISTENING_TTL_SECONDS


async def test_a_flush_begins_another_epoch(broker: Broker, writer: FeedWriter) -> None:
    before = await Ear(broker).listen(OURS)
    writer.tell([started()])
    await written(broker, 1)
    await broker.results.flushdb()
    after = await Ear(broker).listen(OURS)
    assert before is not None
    assert after is not None
    assert after.epoch > before.epoch
    assert (after.last, after.begins) == (0, True)


async def test_an_epoch_is_never_used_twice_though_the_clock_goes_back(broker: Broker) -> None:
    later = 99_999_999_999_999
    await broker.results.xadd(feed_key(OURS), {"event": "x"}, f"{later}-7")
    await broker.results.expire(feed_key(OURS), 60)
    listening = await Ear(broker).listen(OURS)
    assert listening is not None
    assert (listening.epoch, listening.last) == (later + 1, 0)


async def test_what_could_not_be_written_is_a_hole(broker: Broker, writer: FeedWriter) -> None:
    await Ear(broker).listen(OURS)
    broker.trip()
    writer.tell([started(), started()])
    await asyncio.sleep(0)

    async def back() -> bool:
        return not broker.is_away

    await eventually(back)
    writer.tell([started()])
    await written(broker, 1)
    assert [number for _, number in await numbers(broker)] == [3]


async def test_what_does_not_fit_is_a_hole(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.broker.feed, "WAITING_LIMIT", 2)
    await Ear(broker).listen(OURS)
    writer = FeedWriter(broker)
    writer.tell(started() for _ in range(5))
    sending = asyncio.create_task(writer.send_for_ever())
    await written(broker, 2)
    assert [number for _, number in await numbers(broker)] == [4, 5]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
