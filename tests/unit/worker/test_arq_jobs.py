"""Plain arq jobs without a server: what becomes of a run, and MessagePack payloads that refuse pickles unread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq.jobs import DeserializationError, deserialize_job_raw, deserialize_result, serialize_job, serialize_result
from arq.worker import Retry, RetryJob
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.jobs.calls import Call, objection, read_call
from worker.engine.jobs.exchange import Claimed
from worker.engine.jobs.payloads import pack, pack_json, unpack, unpack_json
from worker.engine.jobs.verdict import Order, Verdict, verdict

UNPICKLED: list[str] = []
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


FORMS = pytest.mark.parametrize(("write", "read"), [(pack, unpack), (pack_json, unpack_json)], ids=["msgpack", "json"])


def mark(text: str) -> None:
    UNPICKLED.append(text)


class Evil:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[Any, ...]:
        return mark, ("unpickled",)


@settings(max_examples=40, deadline=None)
@given(PLAIN)
def test_plain_values_come_back_as_they_were(value: object) -> None:
    assert unpack(pack({"value": value})) == {"value": value}


@FORMS
def test_a_pickled_job_is_refused_unread(write: Any, read: Any) -> None:
    payload = serialize_job("work", (Evil(),), {}, None, 1)
    with pytest.raises(DeserializationError):
        deserialize_job_raw(payload, deserializer=read)
    assert UNPICKLED == []


@FORMS
def test_an_aborted_job_is_read_as_cancelled(write: Any, read: Any) -> None:
    error = asyncio.CancelledError()
    data = serialize_result("f", (), {}, 1, 1, False, error, 1, 2, "ref", "q", "one", serializer=write)
    assert data is not None
    assert isinstance(deserialize_result(data, deserializer=read).result, asyncio.CancelledError)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_call_or_an_error(payload: bytes) -> None:
    call, error = read_call(Claimed("one", 1, "t", 1, 1, payload, None), unpack)
    assert (call.name == "<unknown>") == (error is not None)


@FORMS
def test_an_error_is_told_as_a_text(write: Any, read: Any) -> None:
    data = serialize_result("f", (), {}, 1, 1, False, ValueError("no luck"), 1, 2, "ref", "q", "one", serializer=write)
    assert data is not None
    assert deserialize_result(data, deserializer=read).result == "ValueError: no luck"


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no form for object"):
        pack({"value": object()})


@pytest.mark.parametrize(
    ("error", "order", "retry_jobs", "expected"),
    [
        (None, None, True, Verdict.COMPLETE),
        (None, Order.ABORT, True, Verdict.COMPLETE),
        (ValueError(), None, True, Verdict.FAILED),
        (ValueError(), Order.ABORT, True, Verdict.FAILED),
        (Retry(), None, True, Verdict.RETRY),
        (Retry(), None, False, Verdict.FAILED),
        (RetryJob(), None, True, Verdict.AGAIN),
        (asyncio.CancelledError(), None, True, Verdict.AGAIN),
        (asyncio.CancelledError(), None, False, Verdict.FAILED),
        (asyncio.CancelledError(), Order.ABORT, True, Verdict.ABORTED),
        (asyncio.CancelledError(), Order.ABORT, False, Verdict.ABORTED),
        (asyncio.CancelledError(), Order.LOST, True, Verdict.FORGET),
        (TimeoutError(), Order.LOST, True, Verdict.FAILED),
        (TimeoutError(), Order.LATE, True, Verdict.FAILED),
    ],
)
def test_what_becomes_of_a_job(
    error: BaseException | None, order: Order | None, retry_jobs: bool, expected: Verdict
) -> None:
    assert verdict(error, order, retry_jobs=retry_jobs) is expected


@pytest.mark.parametrize(("asked_ms", "aborted"), [(10_000, True), (9_500, True), (8_000, False)])
def test_a_request_to_abort_that_is_older_than_its_job_is_stale(asked_ms: int, aborted: bool) -> None:
    job, call = Claimed("one", 1, "t", 1, 1, b"", asked_ms), Call("unknown", (), {}, 1, 10_000)
    assert isinstance(objection(job, call, {}, 5), asyncio.CancelledError) is aborted
