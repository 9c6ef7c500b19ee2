"""Following a task over a real connection: everything once, in order, whatever breaks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

import service.streaming
import worker.live_board
from service.app import build
from service.dependencies import House
from service.streaming import Streams
from shared.domain.ids import new_id
from shared.domain.task import NewTask
from shared.domain.verdict import released
from shared.queue.cancel import cancel
from shared.queue.liveness import rescue
from shared.queue.retry import retry
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import assert_problem
from tests.integration.api.lives import Life, listens, patient_redis, replayed
from tests.integration.api.served import request, served
from tests.integration.broker.conftest import eventually
from tests.support.keys import key
from tests.support.listening import data_of, listening, text_of
from tests.support.stores import registered

PIECE = 80_000
FEED = "/api/v1/events"
__all__ = ["patient_redis"]
pytestmark = pytest.mark.usefixtures("patient_redis")


async def test_a_task_is_followed_from_its_wait_to_its_end(url: str, life: Life) -> None:
    async with listening(url, life.path) as reader:
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        assert reader.response.headers["cache-control"] == "no-store"
        assert reader.response.headers["x-accel-buffering"] == "no"
        await reader.until(lambda r: r.statuses == ["PENDING"])
        await life.start()
        await life.say("Hello, ")
        await reader.until(lambda r: r.text == "Hello, ")
        await life.progress(50)
        await reader.until(lambda r: r.names[-1] == "progress")
        await life.say("wörld\n\ndata: x")
        await reader.until(lambda r: r.text == "Hello, wörld\n\ndata: x")
        await life.end()
        await reader.ended()
    assert reader.names == ["status", "status", "output", "progress", "output", "status", "end"]
    assert reader.statuses == ["PENDING", "PROCESSING", "COMPLETED"]
    assert data_of(reader.seen[3])["percent"] == 50
    end = data_of(reader.seen[-1])
    assert (end["id"], end["status"], end["result"]) == (str(life.id), "COMPLETED", {"text": "all"})


async def test_the_claim_of_a_silent_task_is_told_soon(url: str, life: Life) -> None:
    async with listening(url, life.path) as reader:
        await reader.until(lambda r: r.statuses == ["PENDING"])
        await life.start()
        await reader.until(lambda r: r.statuses == ["PENDING", "PROCESSING"])
        await life.end()
        await reader.ended()
    assert reader.names[-1] == "end"


async def test_a_finished_task_is_replayed_at_once_and_from_any_place_of_it(url: str, life: Life) -> None:
    await life.start()
    await life.say("one ", "two ")
    await life.progress(40)
    await life.say("three")
    await life.end()
    whole = await replayed(url, life.path)
    assert whole.text == "one two three"
    assert whole.statuses == ["PENDING", "PROCESSING", "COMPLETED"]
    for index, message in enumerate(whole.seen[:-1]):
        rest = await replayed(url, life.path, message.id)
        assert [(m.id, m.data) for m in rest.seen] == [(m.id, m.data) for m in whole.seen[index + 1 :]], message.id
    async with httpx.AsyncClient(base_url=url) as http:
        nothing = await http.get(life.path, params={"starting_after": whole.seen[-1].id})
        assert (nothing.status_code, nothing.content) == (204, b"")


async def test_the_place_may_be_given_as_a_parameter_and_the_header_wins(url: str, life: Life) -> None:
    await life.start()
    await life.end()
    first, second, *_ = (await replayed(url, life.path)).seen
    by_parameter = await replayed(url, f"{life.path}?starting_after={first.id}")
    assert by_parameter.statuses == ["PROCESSING", "COMPLETED"]
    by_header = await replayed(url, f"{life.path}?starting_after={first.id}", second.id)
    assert by_header.statuses == ["COMPLETED"]


async def test_another_attempt_speaks_anew_and_the_reader_is_told(url: str, life: Life) -> None:
    async with listening(url, life.path) as reader:
        await life.start()
        await life.say("first try")
        await reader.until(lambda r: r.text == "first try")
        await life.end(released())
        await life.start()
        await life.say("second try")
        await life.end()
        await reader.ended()
    assert reader.statuses == ["PENDING", "PROCESSING", "RETRYING", "PROCESSING", "COMPLETED"]
    again = max(index for index, message in enumerate(reader.seen) if '"PROCESSING"' in message.data)
    assert text_of(reader.seen[:again]) == "first try"
    assert text_of(reader.seen[again:]) == "second try"
    back = data_of(next(m for m in reader.seen if '"RETRYING"' in m.data))
    assert (back["outcome"], back["attempt"]) == ("released", 1)
    assert [m.id for m in (await replayed(url, life.path)).seen if m.event == "status"] == [
        m.id for m in reader.seen if m.event == "status"
    ]


async def test_a_lost_run_is_told_and_what_it_says_later_is_not(url: str, stores: Stores, life: Life) -> None:
    async with listening(url, life.path) as reader:
        await life.start()
        await life.say("from the dead")
        await reader.until(lambda r: r.text == "from the dead")
        async with stores.db.autocommit() as session:
            await session.execute(text("UPDATE workers SET state = 'dead'"))
        await rescue(stores)
        await reader.until(lambda r: r.statuses[-1] == "RETRYING")
        heir = Life(stores, await registered(stores), life.id)
        await heir.start()
        await life.say("a late word")
        await heir.say("from the heir")
        await heir.end()
        await reader.ended()
    assert reader.text == "from the deadfrom the heir"
    assert data_of(next(m for m in reader.seen if '"RETRYING"' in m.data))["outcome"] == "lost"


async def test_a_person_who_retries_a_task_begins_its_events_anew(url: str, stores: Stores, life: Life) -> None:
    await cancel(stores, 1, life.id)
    before = await replayed(url, life.path)
    assert before.statuses == ["PENDING", "CANCELLED"]
    await retry(stores, 1, life.id)
    await life.start()
    await life.end()
    after = await replayed(url, life.path, before.seen[-1].id)
    assert after.statuses == ["PENDING", "PROCESSING", "COMPLETED"]
    assert {data_of(m)["generation"] for m in after.seen} == {2}


async def test_many_readers_of_one_task_all_have_all_of_it(url: str, life: Life) -> None:
    await life.start()
    await life.say("0 ")
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(replayed(url, life.path)) for _ in range(8)]
        for number in range(1, 40):
            await life.say(f"{number} ")
        await life.end()
    for reader in readers:
        assert reader.result().text == "".join(f"{n} " for n in range(40))


@pytest.mark.parametrize("given", ["nonsense", "1-2", "1-2-3", "é", "0x1-1-1-1"])
async def test_what_is_no_place_is_a_400(api: httpx.AsyncClient, life: Life, given: str) -> None:
    for path in (life.path, FEED):
        if path == FEED and given == "1-2":
            continue  # that is one of a feed
        asked = await api.get(path, params={"starting_after": given})
        assert_problem(asked, 400, "invalid_event_id")
        assert_problem(await api.get(path, headers={b"Last-Event-ID": given.encode()}), 400, "invalid_event_id")


async def test_who_asks_for_what_is_not_theirs_learns_nothing(
    api: httpx.AsyncClient, stores: Stores, planned: Callable[..., NewTask]
) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"))
    [theirs] = await submit(stores, 2, [planned()])
    bodies = []
    for task_id in (str(theirs.id), str(new_id())):
        problem = assert_problem(await api.get(f"/api/v1/tasks/{task_id}/events"), 404, "not_found")
        bodies.append(problem["detail"])
    assert bodies[0] == bodies[1]
    assert_problem(
        await api.get(f"/api/v1/tasks/{theirs.id}/events", params={"stating_after": "x"}), 422, "validation_error"
    )


async def test_a_key_that_may_read_may_follow(
    url: str, stores: Stores, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.auth.TTL_SECONDS", 0.0)
    await key(stores, "admin")
    reader = (await key(stores, "read")).headers
    async with listening(url, life.path, headers=reader) as task, listening(url, FEED, headers=reader) as feed:
        await task.until(lambda r: r.statuses == ["PENDING"])
        await listens(feed)


async def test_a_finished_task_is_answered_as_documented(api: httpx.AsyncClient, life: Life) -> None:
    await life.start()
    await life.end()
    answer = await api.get(life.path)
    assert answer.status_code == 200
    last = answer.text.split("\n\n")[-2].split("\n")[0].removeprefix("id: ")
    assert (await api.get(life.path, headers={"Last-Event-ID": last})).status_code == 204


async def test_a_flush_in_mid_stream_costs_nothing_to_who_listens_and_is_told_to_who_comes(
    url: str, stores: Stores, life: Life
) -> None:
    async with listening(url, life.path) as reader:
        await life.start()
        await life.say("before ")
        await reader.until(lambda r: r.text == "before ")
        await stores.broker.results.flushdb()
        await life.say("after")
        await reader.until(lambda r: r.text == "before after")
        async with listening(url, life.path) as late:
            await late.until(lambda r: r.text == "after")
        await life.end()
        await reader.ended()
    assert "gap" not in reader.names
    assert data_of(next(m for m in late.seen if m.event == "gap")) == {"missing": 1}


async def test_while_redis_is_away_the_states_come_all_the_same(
    settings: Settings, stores: Stores, registry: Registry, life: Life
) -> None:
    nowhere = settings.model_copy(update={"redis_result_url": SecretStr("redis://127.0.0.1:1/0")})
    async with Stores(nowhere, pool_size=5, overflow=5, application="tests") as apart:
        app = build(nowhere, registry)
        app.state.house = House(apart, registry, nowhere)
        async with served(app) as port, listening(f"http://127.0.0.1:{port}", life.path) as reader:
            await reader.until(lambda r: r.statuses == ["PENDING"])
            await life.start()
            await reader.until(lambda r: r.statuses == ["PENDING", "PROCESSING"])
            await life.say("nobody hears this")
            await life.end()
            await reader.ended()
    assert reader.statuses == ["PENDING", "PROCESSING", "COMPLETED"]
    assert reader.names[-1] == "end"


async def test_silence_is_filled_with_comments(url: str, life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.streaming, "PING_SECONDS", 0.05)
    async with listening(url, life.path) as reader:
        await reader.until(lambda r: r.statuses == ["PENDING"])
        await reader.until(lambda r: r.comments.count(": ping") > 2)
    assert reader.names == ["status"]


async def test_an_old_stream_ends_well_and_its_reader_goes_on(
    url: str, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.streaming, "LONGEST_SECONDS", 0.2)
    first = await replayed(url, life.path)
    assert first.reading.exception() is None
    assert first.statuses == ["PENDING"]
    second = await replayed(url, life.path, first.seen[-1].id)
    assert second.seen == []


async def test_a_process_that_ends_ends_its_streams_well(url: str, stores: Stores, life: Life) -> None:
    async with listening(url, life.path) as reader, listening(url, FEED) as feed:
        await reader.until(lambda r: r.statuses == ["PENDING"])
        await listens(feed)
        stores.end_waits()
        await reader.ended()
        await feed.ended()
    assert reader.reading.exception() is None
    assert feed.reading.exception() is None


async def test_streams_are_limited_and_a_place_comes_back(app: FastAPI, url: str, life: Life) -> None:
    for limits in (Streams(per_process=1), Streams(per_key=1)):
        app.state.house.streams = limits
        async with listening(url, life.path) as reader, httpx.AsyncClient(base_url=url) as http:
            await reader.until(lambda r: r.statuses == ["PENDING"])
            refused = assert_problem(await http.get(FEED), 429, "too_many_streams")
            assert refused["detail"]
            assert (await http.get(f"/api/v1/tasks/{life.id}")).status_code == 200, "only streams are"

        async def is_free(limits: Streams = limits) -> bool:
            return limits.open == 0

        await eventually(is_free)
    async with listening(url, life.path) as reader:
        await reader.until(lambda r: r.statuses == ["PENDING"])


async def test_a_reader_that_takes_nothing_is_cut_and_resumes(
    app: FastAPI, url: str, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.live_board, "OUTPUT_LIMIT", 100 * PIECE)  # the kernel takes 4 MiB off our hands
    await life.start()
    async with asleep(url, life.path):
        monkeypatch.setattr(service.streaming, "SLOW_SECONDS", 0.3)
        for _ in range(100):
            await life.say("x" * PIECE)

        async def is_cut() -> bool:
            return bool(app.state.house.streams.open == 0)

        await eventually(is_cut)
    monkeypatch.setattr(service.streaming, "SLOW_SECONDS", 30.0)
    await life.end()
    assert len((await replayed(url, life.path)).text) == 100 * PIECE


@asynccontextmanager
async def asleep(url: str, path: str) -> AsyncIterator[None]:
    """A client that asks for a stream, and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(client, ("127.0.0.1", httpx.URL(url).port))
        await loop.sock_sendall(client, request(f"GET {path}", host="127.0.0.1"))
        yield
    finally:
        client.close()
