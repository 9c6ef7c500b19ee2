"""Two bodies are the same request exactly when they mean the same JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from service.idempotency import canonical, digest_of, key_of
from service.problems import Problem
from service.strict_json import loads


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'),
        (b'{"n": 1.0}', b'{"n": 1}'),
        (b'{"n": 1e2}', b'{"n": 100}'),
        (b'{"n": -0.0}', b'{"n": 0}'),
        (b'{"n": 0.10}', b'{"n": 1e-1}'),
        (b'{"s": "\\u00e9"}', '{"s": "é"}'.encode()),
        (b'{"deep": [{"b": 1, "a": 2.0}]}', b'{"deep": [{"a": 2, "b": 1}]}'),
    ],
)
def test_spelling_makes_no_other_request(one: bytes, other: bytes) -> None:
    assert digest_of("POST", "/t", loads(one)) == digest_of("POST", "/t", loads(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": True}, {"a": 1}),
        ({"a": None}, {}),
        ([1, 2], [2, 1]),
        ({"n": 2**53 + 1}, {"n": 2**53}),
        ({"n": 0.1}, {"n": 0.2}),
    ],
)
def test_other_json_is_another_request(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


def test_the_path_and_method_belong_to_the_request() -> None:
    assert len({digest_of(m, p, {}) for m in ("POST", "PUT") for p in ("/tasks", "/files")}) == 4


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(-(2**53), 2**53) | st.booleans()))
def test_the_canonical_form_ignores_order(given_: dict[str, Any]) -> None:
    assert canonical(given_) == canonical(dict(reversed(given_.items())))


def keyed(key: str) -> Request:
    return Request({"type": "http", "headers": [(b"idempotency-key", key.encode("latin-1"))]})


def test_a_request_needs_no_key() -> None:
    assert key_of(Request({"type": "http", "headers": []})) is None


@pytest.mark.parametrize("key", ["k", "a key with blanks ~!", "x" * 255])
def test_printable_keys_are_taken(key: str) -> None:
    assert key_of(keyed(key)) == key


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb", "a\x7f"])
def test_other_keys_are_a_400(key: str) -> None:
    with pytest.raises(Problem) as refused:
        key_of(keyed(key))
    assert (refused.value.status_code, refused.value.code) == (400, "invalid_idempotency_key")
