"""Streams as the client reads them: one story, however often the connection breaks."""

from __future__ import annotations

import json
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client import (
    AsyncClient,
    Client,
    NotFound,
    RateLimited,
    ServiceUnavailable,
    Unreachable,
    WaitTimedOut,
    stream_verbs,
)
from service.client.sse import Decoder, Message
from tests.support.fake_api import BLANK, FakeApi

PATH = "/api/v1/tasks/0190-0000/events"


def frame(id_: str, event: str, data: dict[str, Any]) -> bytes:
    return f"id: {id_}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


DONE = {**BLANK, "id": "0190-0000", "type": "recite", "status": "COMPLETED", "result": {"text": "one two"}}
FIRST = frame("1-2-0", "status", {"status": "PROCESSING", "attempt": 1}) + frame("1-2-1", "output", {"delta": "one "})
REST = b": ping\n\n" + frame("1-2-2", "output", {"delta": "two"}) + frame("1-3-1", "end", DONE)


@given(st.lists(st.integers(0, len(FIRST + REST)), max_size=12))
def test_messages_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    whole, decoder = FIRST + REST, Decoder()
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:stop] for start, stop in pairwise(edges)]
    found = [message for piece in pieces for message in decoder.feed(piece)]
    assert [(m.id, m.event) for m in found] == [
        ("1-2-0", "status"),
        ("1-2-1", "output"),
        ("1-2-2", "output"),
        ("1-3-1", "end"),
    ]


def test_a_message_without_an_id_is_one_and_a_comment_is_none() -> None:
    assert list(Decoder().feed(b': hello\nretry: 5\n\nevent: gap\ndata: {"missing":null}\n\n')) == [
        Message("", "gap", '{"missing":null}')
    ]


@pytest.fixture
def cut(api: FakeApi) -> FakeApi:
    """The first stream ends in the middle of an event."""
    api.add({"type": "recite"})
    api.answer_once("GET", PATH, 200, FIRST + REST[:40])
    api.answer("GET", PATH, 200, REST)
    return api


def test_a_stream_that_breaks_is_taken_up_behind_the_last_whole_event(cut: FakeApi, client: Client) -> None:
    events = list(client.events("0190-0000"))
    assert "".join(event.delta for event in events) == "one two"
    assert events[-1].task is not None
    assert events[-1].task.result == {"text": "one two"}
    assert [got.headers.get("last-event-id") for got in cut.seen("GET", PATH)] == [None, "1-2-1"]


async def test_the_async_client_does_the_same(cut: FakeApi, async_client: AsyncClient) -> None:
    events = [event async for event in async_client.events("0190-0000")]
    assert "".join(event.delta for event in events) == "one two"
    assert [got.headers.get("last-event-id") for got in cut.seen("GET", PATH)] == [None, "1-2-1"]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_stream_outlives_a_restart_behind_a_proxy(
    api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(stream_verbs, "LATEST_LOOK", 0.01)
    api.add({"type": "recite"})
    api.answer_once("GET", PATH, 200, FIRST + REST[:40])
    for _ in range(5):
        api.answer_once("GET", PATH, status, b"<html>nobody there</html>")
    api.answer("GET", PATH, 200, REST)
    assert "".join(event.delta for event in client.events("0190-0000")) == "one two"
    assert [got.headers.get("last-event-id") for got in api.seen("GET", PATH)] == [None, *["1-2-1"] * 6]


def test_a_proxy_with_nobody_behind_it_is_believed(api: FakeApi, client: Client) -> None:
    api.answer("GET", PATH, 502, b"<html>nobody there</html>")
    with pytest.raises(ServiceUnavailable):
        next(client.events("0190-0000"))


def test_a_stream_may_begin_behind_an_event_and_be_left_early(api: FakeApi, client: Client) -> None:
    api.answer("GET", PATH, 200, REST)
    event = next(client.events("0190-0000", starting_after="1-2-1"))
    assert (event.id, event.delta) == ("1-2-2", "two")
    assert api.requests[-1].headers["last-event-id"] == "1-2-1"


async def test_a_stream_left_early_can_be_closed(api: FakeApi, async_client: AsyncClient) -> None:
    api.answer("GET", PATH, 200, FIRST + REST)
    async with aclosing(async_client.events("0190-0000")) as events:
        assert (await anext(events)).id == "1-2-0"
    assert [event async for event in events] == []


def test_behind_the_end_there_is_nothing(api: FakeApi, client: Client) -> None:
    api.answer("GET", PATH, 204, b"")
    assert list(client.events("0190-0000", starting_after="1-3-1")) == []


def test_a_full_service_is_asked_again_and_then_believed(api: FakeApi, client: Client) -> None:
    api.refuse("GET", PATH, 429, "too_many_streams", times=1, retry_after=0)
    api.answer("GET", PATH, 200, FIRST + REST)
    assert len(list(client.events("0190-0000"))) == 4
    api.refuse("GET", "/api/v1/events", 429, "too_many_streams", retry_after=0)
    with pytest.raises(RateLimited):
        next(client.all_events())


def test_a_refusal_is_an_error(client: Client) -> None:
    with pytest.raises(NotFound):
        next(client.events("none"))


def test_a_service_that_is_not_there_is_named_at_once() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable):
        next(client.events("0190-0000"))


def test_patience_has_an_end(api: FakeApi, client: Client) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING"}]
    api.add({"type": "stuck"})
    with pytest.raises(WaitTimedOut):
        list(client.events("0190-0000", timeout=0.2))


def test_a_feed_is_narrowed_by_what_is_given(api: FakeApi, client: Client) -> None:
    api.answer("GET", "/api/v1/events", 200, frame("7-1", "started", {"id": "x"}))
    assert next(client.all_events(type=["a", "b"], queue="q")).event == "started"
    assert api.requests[-1].query == {"type": ["a", "b"], "queue": ["q"]}
