"""JSON with nothing unusual about it, read in C: most bodies, and in a fraction of the time.

It refuses nothing. Where it is not sure that ``strict_json`` would read the same value it says ``Unusual``, and leaves
body and judgement to that.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

import orjson

MOST_BYTES = 2_097_152
"""It never lets go of the interpreter: so much takes some 10 ms."""
LONG_DIGITS = re.compile(rb"\d{19}")
# A NUL or a lone surrogate can only come escaped: raw ones are a syntax error, or no UTF-8.
SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# orjson takes an integer beyond 64 bits for a float, and may take -0 for one.
ODD_NUMBER = re.compile(rb"\d{19}|-0(?![.\d])")
STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NO_BRACKETS = bytes(set(range(256)) - STEPS.keys())


class Unusual(Exception):
    """Not to be read here."""


def loads(body: bytes, *, max_depth: int) -> Any:
    """The value of ``body``. Raises: Unusual."""
    if len(body) > MOST_BYTES or SUSPECT_ESCAPE.search(body):
        raise Unusual
    outside = _outside_strings(body)
    if ODD_NUMBER.search(outside) or _depth(outside) > max_depth:
        raise Unusual
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unusual from None
    # Of a key that stands twice orjson keeps the last: what it read has fewer keys then than were written.
    if _outside_strings(orjson.dumps(value)).count(b":") != outside.count(b":"):
        raise Unusual
    return value


def _outside_strings(body: bytes) -> bytes:
    """``body`` without its strings, as far as it is JSON."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.split(b'"')[::2])


def _depth(outside: bytes) -> int:
    """How deep brackets are nested; says nothing about whether they match."""
    return max(accumulate(map(STEPS.__getitem__, outside.translate(None, NO_BRACKETS))), default=0)
