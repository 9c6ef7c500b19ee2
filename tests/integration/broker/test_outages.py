"""Redis away, hanging or overrun: every guarded call is bounded, and the breaker opens and closes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import pytest_asyncio
import uvloop

import shared.broker.connection
from shared.broker.connection import KEEPALIVE, OUTAGE, Broker, channel_of, connect
from shared.broker.health import redis_state
from shared.broker.listener import listen
from shared.domain.ids import new_id
from shared.embedded.ports import free_port
from shared.settings import Settings
from tests.integration.broker.conftest import eventually

BOUND = 1.0
"""Seconds: well over the time-outs, well under a wait anybody would notice as a hang."""


@pytest_asyncio.fixture(params=["refused", "hanging"])
async def away(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """A broker whose server refuses, or accepts and never answers."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    if request.param == "refused":
        url = f"redis://127.0.0.1:{free_port()}/0"
        broker = Broker(url, url)
        yield broker
        await broker.close()
        return
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        broker = Broker(url, url)
        yield broker
        await broker.close()


async def timed(call: Awaitable[object]) -> tuple[object, float]:
    started = time.monotonic()
    return await call, time.monotonic() - started


async def test_a_call_answers_none_within_its_bound(away: Broker) -> None:
    answer, seconds = await timed(away.guarded(away.queue.get("x")))
    assert answer is None
    assert seconds < BOUND
    assert away.is_away


async def test_a_burst_of_calls_waits_no_longer_than_one(away: Broker) -> None:
    calls = asyncio.gather(*(away.guarded(away.queue.get("x")) for _ in range(100)))
    answers, seconds = await timed(calls)
    assert answers == [None] * 100
    assert seconds < BOUND


async def test_an_open_breaker_answers_at_once_and_calls_nothing(away: Broker) -> None:
    away.trip()
    entered = False

    async def call() -> int:
        nonlocal entered
        entered = True
        return 1

    answer, seconds = await timed(away.guarded(call()))
    assert (answer, entered) == (None, False)
    assert seconds < 0.05


async def test_health_says_nothing_of_a_redis_that_is_away(away: Broker) -> None:
    assert await redis_state(away) is None
    assert not await away.ping()


async def test_the_breaker_closes_once_redis_answers_again(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.broker.connection, "BREAK_SECONDS", 0.1)
    assert await broker.ping()
    await broker.queue.client_pause(700)
    answer, seconds = await timed(broker.guarded(broker.queue.ping()))
    assert answer is None
    assert seconds < BOUND
    assert broker.is_away
    await eventually(broker.ping)
    assert not broker.is_away


async def pop(broker: Broker, seconds: float) -> object:
    """Wait on the server for what never comes."""
    return await cast("Awaitable[object]", broker.queue.blpop(["never"], timeout=cast("int", seconds)))


async def test_a_call_given_up_leaves_its_late_answer_to_nobody(broker: Broker) -> None:
    await broker.queue.set("mine", "right", ex=60)
    assert await broker.guarded(pop(broker, 1), timeout=0.1) is None
    assert await asyncio.gather(*(broker.queue.get("mine") for _ in range(20))) == [b"right"] * 20


async def test_a_caller_that_is_cancelled_is_no_outage(broker: Broker) -> None:
    call = asyncio.create_task(broker.guarded(pop(broker, 5), timeout=5))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not broker.is_away


async def test_more_callers_than_connections_wait_their_turn(broker: Broker) -> None:
    waits = (broker.guarded(pop(broker, 0.05), timeout=5) for _ in range(100))
    await asyncio.gather(*waits)
    assert not broker.is_away
    answers = await asyncio.gather(*(broker.guarded(broker.queue.ping()) for _ in range(60)))
    assert answers == [True] * 60
    assert not broker.is_away


async def test_health_tells_the_server_apart(broker: Broker) -> None:
    state = await redis_state(broker)
    assert state is not None
    assert state.version[0].isdigit()
    assert state.eviction_policy == "noeviction"


Heard = list[object]


@pytest_asyncio.fixture
async def listening(settings: Settings) -> AsyncIterator[Heard]:
    """A listener on the channel ``test``, and what it heard."""
    heard: Heard = []
    listener = asyncio.create_task(listen(settings.result_url, "test", heard.append))
    yield heard
    assert not listener.done(), "a listener lives as long as its process"
    listener.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(listener, return_exceptions=True)


def telling(broker: Broker, heard: Heard, message: object) -> Callable[[], Awaitable[bool]]:
    """Publish until it is heard: nobody keeps what is published while nobody listens."""

    async def told() -> bool:
        await broker.results.publish(channel_of(broker.results, "test"), str(message))
        return message in heard

    return told


async def test_a_listener_hears_ids_and_ignores_what_is_none(broker: Broker, listening: Heard) -> None:
    one, two = new_id(), new_id()
    await eventually(telling(broker, listening, one))
    for noise in ("not an id", "", b"\xff\xfe"):
        await broker.results.publish(channel_of(broker.results, "test"), noise)
    await eventually(telling(broker, listening, two))
    assert set(listening) == {one, two}


async def test_a_listener_whose_connection_was_cut_hears_again(broker: Broker, listening: Heard) -> None:
    one, two = new_id(), new_id()
    await eventually(telling(broker, listening, one))
    assert await broker.results.client_kill_filter(_type="pubsub") >= 1
    await eventually(telling(broker, listening, two))


async def test_a_listener_with_no_redis_keeps_trying_and_can_be_ended() -> None:
    listener = asyncio.create_task(listen(f"redis://127.0.0.1:{free_port()}/0", "test", lambda _: None))
    done, _ = await asyncio.wait({listener}, timeout=0.3)
    assert not done
    listener.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await listener


def test_a_write_to_a_connection_that_was_reset_is_an_outage_on_the_workers_loop_too() -> None:
    async def written() -> None:
        async with await asyncio.start_server(_accept, "127.0.0.1", 0) as server:
            client = connect(f"redis://:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
            connection: Any = cast("Any", client.connection_pool).make_connection()
            await connection._connect()
            connection._writer.transport.abort()
            await connection._reader.read()
            with pytest.raises(OUTAGE):
                await connection.send_command("AUTH", "secret", check_health=False)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(uvloop.run, written()).result(30)


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_the_kernel_looks_after_connections_that_only_listen(settings: Settings) -> None:
    """They have no time-out: a machine that vanishes, or a firewall that forgets them, would never be noticed."""
    client = connect(settings.redis_url.get_secret_value(), socket_timeout=None)
    connection: Any = cast("Any", client.connection_pool).make_connection()
    await connection.connect()
    kept = connection._writer.get_extra_info("socket")
    assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    assert {option: kept.getsockopt(socket.SOL_TCP, option) for option in KEEPALIVE} == KEEPALIVE
    await connection.disconnect()
    await client.aclose()


def test_a_unix_socket_needs_none_of_that() -> None:
    assert cast("Any", connect("unix:///nowhere.sock").connection_pool).make_connection() is not None
