"""A held connection to a real Redis: cut, flushed or given up, it never answers another's question."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ResponseError

from shared.broker.connection import Broker
from shared.broker.line import Line, Script


@pytest.fixture
def line(broker: Broker) -> Line:
    return Line(broker.queue)


async def test_calls_that_come_together_get_each_their_own_answer(line: Line) -> None:
    answers = await asyncio.gather(*[line.call("ECHO", str(number)) for number in range(50)])
    assert answers == [str(number).encode() for number in range(50)]
    await line.close()


async def test_a_connection_that_was_cut_meanwhile_costs_nobody_an_error(broker: Broker, line: Line) -> None:
    mine = await line.call("CLIENT", "ID")
    await broker.queue.client_kill_filter(_id=str(mine))
    assert await line.call("ECHO", "still there") == b"still there"
    assert await line.call("CLIENT", "ID") != mine
    await line.close()


async def test_an_answer_nobody_waited_for_is_never_read_by_the_next(line: Line) -> None:
    await line.call("ECHO", "connected")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await line.call("BLPOP", "nothing-here", "0.1")
    assert await line.call("ECHO", "mine") == b"mine"
    await line.close()


async def test_a_command_that_is_refused_keeps_the_connection(line: Line) -> None:
    mine = await line.call("CLIENT", "ID")
    with pytest.raises(ResponseError):
        await line.call("NO-SUCH-COMMAND")
    assert await line.call("CLIENT", "ID") == mine
    await line.close()


async def test_a_script_that_redis_forgot_is_told_again(broker: Broker) -> None:
    script = Script(broker.queue, "return {KEYS[1], ARGV[1]}")
    assert await script(["key"], ["one"]) == [b"key", b"one"]
    await broker.queue.script_flush()
    assert await script(["key"], ["two"]) == [b"key", b"two"]
    await script.close()
