"""What the API accepts as JSON: all of it, and nothing that cannot be stored as it was checked."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service import quick_json
from service.strict_json import MAX_CONTAINERS, MAX_DEPTH, JSONRefused, loads

MALFORMED = [
    b"",
    b"{",
    b"{'a': 1}",
    b'{"a": 1,}',
    b'{"a": 1} x',
    b"\xef\xbb\xbf{}",
    b'{"a": "\xff"}',
    '{"a": 1}'.encode("utf-16"),
    b'"\xed\xa0\x80"',  # a surrogate, encoded as if it were a character
    b"NaN",
    b"[Infinity]",
    b"[-Infinity]",
    b"[1e999]",
    b"[-1e999]",
    b'{"a": 1, "a": 1}',
    b'{"a": {"b": 1, "\\u0062": 2}}',
    b'"a\nb"',
    b'"a\x00b"',
    b"[01]",
    b"[1.]",
    b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    b"[" * 100_000,
    b"[" + b"{}," * MAX_CONTAINERS + b"{}]",
]
IMPOSSIBLE = [
    (b'{"a": "x\\u0000"}', "/a"),
    (b'{"a": [1, {"b/c": "\\ud800"}]}', "/a/1/b~1c"),
    (b'{"a": "\\uDFFF and more"}', "/a"),
    (b'{"a": {"k\\u0000": 1}}', "/a"),
    (b'"\\ud800\\ud800"', ""),
    (b'{"n": 9223372036854775808}', "/n"),
    (b'{"n": [-9223372036854775809]}', "/n/0"),
    (b'{"n": ' + b"9" * 100_000 + b"}", "/n"),
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:24]))
def test_a_malformed_body_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(JSONRefused) as refused:
        loads(body)
    assert refused.value.pointer is None


@pytest.mark.parametrize(("body", "pointer"), IMPOSSIBLE, ids=lambda value: repr(value[:24]))
def test_what_no_column_holds_is_refused_with_its_place(body: bytes, pointer: str) -> None:
    with pytest.raises(JSONRefused) as refused:
        loads(body)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
        (b'{"text": "' + b"[{" * 500 + b'\\"[["}', None),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\u0041"', "A"),
        (b"[9223372036854775807, -9223372036854775808]", [2**63 - 1, -(2**63)]),
        (b"[0.12345678901234567890123]", [0.12345678901234568]),
        (b'"12345678901234567890123"', "12345678901234567890123"),
        (b" \r\n\t[1, true, null] ", [1, True, None]),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_unusual_but_valid_json_is_read(body: bytes, value: Any) -> None:
    assert loads(body) == (json.loads(body) if value is None else value)


def test_hostile_strings_cost_linear_time() -> None:
    hostile = b'["' + b"[" * 100 + b'\\"' * 500_000
    started = time.process_time()
    with pytest.raises(JSONRefused):
        loads(hostile)
    # Quadratic time would be hours here; the bound is far from both.
    assert time.process_time() - started < 20


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_every_storable_value_survives(value: Any) -> None:
    assert loads(orjson.dumps(value)) == value
    assert loads(json.dumps(value, ensure_ascii=True).encode()) == value


NEARLY_JSON = st.lists(
    st.sampled_from([*'[]{}":,\\-.0159eEu ', '"a":', '"b":', "\\\\", '\\"', "d8", "null"]), max_size=24
)


@given(values, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
def test_both_readers_read_the_same_value(value: Any, is_ascii: bool, separators: tuple[str, str]) -> None:
    assert_read_alike(json.dumps(value, ensure_ascii=is_ascii, separators=separators).encode())


@given(NEARLY_JSON.map("".join))
@example('{"a":1,"a":1}')
@example('{"a":{"b":[{"c":1,"\\u0063":2}]}}')
@example('{"a":"\\\\","a\\"":1}')
@example("-0")
@example("[-0.0,-0e1,1e-0]")
def test_what_one_reader_takes_the_other_reads_alike(text: str) -> None:
    assert_read_alike(text.encode())


def assert_read_alike(body: bytes) -> None:
    """Where the quick one reads it at all."""
    with contextlib.suppress(quick_json.Unusual):
        quick = quick_json.loads(body, max_depth=MAX_DEPTH)
        assert repr(quick) == repr(json.loads(body))
        assert json.loads(body, object_pairs_hook=list) == json.loads(orjson.dumps(quick), object_pairs_hook=list)


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "text_generation", "input": {"prompt": "Say \\"hi\\".\\n[{", "temperature": 0.5}, "delay": 1e-05}',
        '{"prompt": "Grüße 😀 \\u00fc", "phone": "12345678901234567890"}'.encode(),
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'{"tasks": [' + b",".join([b'{"a": {"a": [1, -2.5]}}'] * 10_000) + b"]}",
    ],
    ids=["a task", "texts", "as deep as allowed", "a batch"],
)
def test_a_usual_body_is_read_in_c(body: bytes) -> None:
    assert quick_json.loads(body, max_depth=MAX_DEPTH) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        *(body for body in MALFORMED if len(body) < 100),
        *(body for body, _ in IMPOSSIBLE),
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'"' + b"a" * quick_json.MOST_BYTES + b'"',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_whatever_may_be_refused_is_left_to_the_strict_reader(body: bytes) -> None:
    with pytest.raises(quick_json.Unusual):
        quick_json.loads(body, max_depth=MAX_DEPTH)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = loads(body)
    except JSONRefused:
        return
    assert orjson.dumps(value)
