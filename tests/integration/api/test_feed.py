"""The tenant's feed over a real connection: what happens to every task, and what was missed of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from shared.domain.task import NewTask
from shared.domain.verdict import released
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.integration.api.lives import Life, listens, patient_redis
from tests.integration.broker.conftest import eventually
from tests.support.listening import Listener, data_of, listening

__all__ = ["patient_redis"]
pytestmark = pytest.mark.usefixtures("patient_redis")


def json_of(reader: Listener) -> list[dict[str, Any]]:
    return [{"event": message.event, **data_of(message)} for message in reader.seen]


@pytest_asyncio.fixture
async def feed(url: str) -> AsyncIterator[Listener]:
    async with listening(url, "/api/v1/events") as reader:
        await listens(reader)
        yield reader


async def test_the_feed_tells_what_happens_to_every_task(
    feed: Listener, stores: Stores, claimant: Claimant, planned: Callable[..., NewTask]
) -> None:
    [one, two, three] = await submit(stores, 1, [planned(), planned(), planned()])
    lives = [Life(stores, claimant, task.id) for task in (one, two)]
    for each in lives:
        await each.start()
    await lives[0].end()
    await lives[1].end(released())
    await cancel(stores, 1, three.id)
    await feed.until(lambda r: len(r.seen) == 8)
    told = json_of(feed)
    assert [entry["event"] for entry in told] == [
        *["submitted"] * 3,
        *["started"] * 2,
        "succeeded",
        "retried",
        "cancelled",
    ]
    ended = told[5]
    assert (ended["id"], ended["type"], ended["status"]) == (str(one.id), "simple_calculation", "COMPLETED")
    assert ended["wait"] >= 0
    assert ended["duration"] >= 0
    assert told[3]["wait"] >= 0


async def test_the_feed_is_narrowed_by_type_queue_and_status(
    url: str, stores: Stores, claimant: Claimant, planned: Callable[..., NewTask]
) -> None:
    path = "/api/v1/events?status=COMPLETED&status=FAILED&queue=demo_tasks&type=simple_calculation"
    async with listening(url, path) as reader:
        await listens(reader)
        [ours, elsewhere] = await submit(stores, 1, [planned(), planned(queue="urgent")])
        for task in (elsewhere, ours):
            life = Life(stores, claimant, task.id)
            await life.start()
            await life.end()
        await reader.until(lambda r: len(r.seen) == 1)
    assert [(m.event, data_of(m)["id"]) for m in reader.seen] == [("succeeded", str(ours.id))]


async def test_the_feed_is_taken_up_where_it_was_left_and_a_gap_is_told(
    url: str, stores: Stores, planned: Callable[..., NewTask]
) -> None:
    async with listening(url, "/api/v1/events") as reader:
        await listens(reader)
        await submit(stores, 1, [planned()])
        await reader.until(lambda r: len(r.seen) == 1)
    await submit(stores, 1, [planned(), planned()])
    async with listening(url, "/api/v1/events", after=reader.seen[-1].id) as again:
        await again.until(lambda r: r.names == ["submitted", "submitted"])
        await stores.broker.results.flushdb()
        await eventually(lambda: listened(stores))
        await submit(stores, 1, [planned()])
        await again.until(lambda r: r.names == ["submitted", "submitted", "gap", "submitted"])
    async with listening(url, "/api/v1/events", after=reader.seen[-1].id) as later:
        await later.until(lambda r: r.names == ["gap", "submitted"])


async def listened(stores: Stores) -> bool:
    return bool(await stores.broker.results.keys("listening:*"))


async def test_the_feed_is_the_tenants_alone(feed: Listener, stores: Stores, planned: Callable[..., NewTask]) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"))
    await submit(stores, 2, [planned()])
    [ours] = await submit(stores, 1, [planned()])
    await feed.until(lambda r: len(r.seen) == 1)
    assert data_of(feed.seen[0])["id"] == str(ours.id)
