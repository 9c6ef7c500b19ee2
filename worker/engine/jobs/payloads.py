"""Payloads and results as MessagePack: for ``job_serializer`` and ``job_deserializer``, whose default is pickle.

Reading one runs no code, whoever wrote it; a pickled one is refused unread.
"""

from __future__ import annotations

from typing import Any, cast

import msgpack

PICKLE = b"\x80"
"""How a pickle of protocol 2 or later begins. As MessagePack it would be an empty map with something behind it."""


def pack(value: dict[str, Any]) -> bytes:
    """Raises: TypeError, ValueError, OverflowError for what MessagePack has no form for."""
    return cast("bytes", msgpack.packb(value, default=_described))


def unpack(payload: bytes) -> dict[str, Any]:
    """Raises: ValueError, if it is not what ``pack`` makes."""
    if payload.startswith(PICKLE):
        raise ValueError("a pickled payload is refused: who enqueues must use the worker's serialiser")
    value = msgpack.unpackb(payload, strict_map_key=False)
    if not isinstance(value, dict):
        raise ValueError("a payload is a map")  # noqa: TRY004 - the payload is wrong, not the call
    return value


def _described(value: object) -> object:
    """An error, which is what a failed job gives, as a text; arq then raises SerializationError with it."""
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    raise TypeError(f"no MessagePack for {type(value).__name__}")
