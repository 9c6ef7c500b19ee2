"""JSON as the API reads it: stricter than ``json``, so that what was checked is what is stored.

    not UTF-8, a BOM, a syntax error, NaN, Infinity or 1e999, a key twice, nested deeper than 64, a million containers
        → ``JSONRefused``, code ``malformed_json``
    NUL or half a surrogate pair in any string, an integer beyond 64 bits
        → ``JSONRefused``, code ``validation_error``, with a pointer to it

Most bodies never come to the slow checks: ``quick_json`` reads what has nothing unusual about it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from service import quick_json
from shared.domain.pointers import pointer

MAX_DEPTH = 64
# An empty object is two bytes here and 64 in memory: 32 MiB of them would take a gigabyte.
MAX_CONTAINERS = 1_000_000
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
BOM = b"\xef\xbb\xbf"
SURROGATE = re.compile("[\ud800-\udfff]")
# Possessive, and a string without an end runs to the end: no input makes this quadratic.
STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


class JSONRefused(ValueError):
    """This body is not acceptable JSON. ``pointer`` is None where the text itself is malformed."""

    def __init__(self, detail: str, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


def loads(body: bytes) -> Any:
    """The value of ``body``. Raises: JSONRefused."""
    containers = body.count(b"{") + body.count(b"[")
    if containers > MAX_CONTAINERS:
        raise JSONRefused(f"The body holds more than {MAX_CONTAINERS} objects and arrays.")
    try:
        return quick_json.loads(body, max_depth=MAX_DEPTH)
    except quick_json.Unusual:
        return _judged(body, containers)


def _judged(body: bytes, containers: int) -> Any:
    """The value of a body that may be refused. Raises: JSONRefused."""
    if body.startswith(BOM):
        raise JSONRefused("The body begins with a byte order mark.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JSONRefused(f"The body is not UTF-8 (byte {error.start}).") from None
    if containers > MAX_DEPTH:
        _check_depth(text)
    has_long_digits = quick_json.LONG_DIGITS.search(body) is not None
    try:
        value = _LENIENT_INTS.decode(text) if has_long_digits else _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise JSONRefused(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if has_long_digits or quick_json.SUSPECT_ESCAPE.search(body):
        _check_values(value)
    return value


def _check_depth(text: str) -> None:
    """Count brackets outside strings; says nothing about whether they match."""
    depth = 0
    for match in STRING_OR_BRACKET.finditer(text):
        found = match.group()
        if found in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JSONRefused(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif found in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JSONRefused(f"The key {_shown(twice)} stands twice in one object.")
    return made


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JSONRefused(f"The number {_shown(digits)} is too large.")
    return value


def _constant(name: str) -> Any:
    raise JSONRefused(f"{name} is not JSON.")


def _bounded_int(digits: str) -> int | float:
    # int() refuses thousands of digits, and takes quadratic time below that.
    return int(digits) if len(digits) <= 20 else math.inf


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
_LENIENT_INTS = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_constant=_constant, parse_int=_bounded_int
)


def _check_values(value: Any) -> None:
    for at, problem in _problems(value, ()):
        raise JSONRefused(problem, pointer(at))


def _problems(value: Any, at: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What no column can hold, with its place. Recursion is bounded: the depth was checked."""
    match value:
        case str():
            if problem := _problem_of_text(value):
                yield at, problem
        case dict():
            for key, item in value.items():
                if problem := _problem_of_text(key):
                    yield at, f"A key: {problem}"
                yield from _problems(item, (*at, key))
        case list():
            for index, item in enumerate(value):
                yield from _problems(item, (*at, index))
        case float() if math.isinf(value):
            yield at, "The integer does not fit into 64 bits."
        case int() if not INT_MIN <= value <= INT_MAX:
            yield at, "The integer does not fit into 64 bits."


def _problem_of_text(text: str) -> str | None:
    if "\x00" in text:
        return "The text holds a NUL character."
    if SURROGATE.search(text):
        return "The text holds half a surrogate pair."
    return None


def _shown(text: str) -> str:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return json.dumps(shown)
