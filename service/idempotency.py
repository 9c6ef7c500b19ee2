"""The ``Idempotency-Key`` header, and the digest that tells a repeat from a reuse."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson
from starlette.requests import Request

from service.problems import Problem

PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
EXACT_IN_DOUBLE = 2**53


def key_of(request: Request) -> str | None:
    """Raises: Problem (400), where the key is not 1 to 255 printable ASCII characters."""
    key = request.headers.get("idempotency-key")
    if key is not None and not PRINTABLE.fullmatch(key):
        raise Problem("invalid_idempotency_key", "Idempotency-Key takes 1 to 255 printable ASCII characters.")
    return key


def digest_of(method: str, path: str, body: Any) -> bytes:
    """SHA-256 of what the request means: equal for bodies that differ in spelling alone."""
    return hashlib.sha256(f"{method} {path}\n".encode() + canonical(body)).digest()


def canonical(value: Any) -> bytes:
    """Sorted keys, no blanks, one spelling a number: RFC 8785 but for the order of astral keys."""
    return orjson.dumps(_normal(value), option=orjson.OPT_SORT_KEYS)


def _normal(value: Any) -> Any:
    """``1.0`` and ``1`` are one number in JSON, as are ``-0.0`` and ``0``."""
    match value:
        case dict():
            return {key: _normal(item) for key, item in value.items()}
        case list():
            return [_normal(item) for item in value]
        case float() if value.is_integer() and abs(value) <= EXACT_IN_DOUBLE:
            return int(value)
        case _:
            return value
