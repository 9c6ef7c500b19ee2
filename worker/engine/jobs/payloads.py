"""Payloads and results as MessagePack or JSON: for ``job_serializer`` and ``job_deserializer``, else pickle.

Reading one runs no code, whoever wrote it; a pickled one is refused unread.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgpack
import orjson

PICKLE = b"\x80"
"""How a pickle of protocol 2 or later begins. As MessagePack it would be an empty map with something behind it."""
ABORTED = "CancelledError: "
"""The result of an aborted job, as ``_described`` writes it. ``Job.abort`` says True for a CancelledError alone."""


def pack(value: dict[str, Any]) -> bytes:
    """Raises: TypeError, ValueError, OverflowError for what MessagePack has no form for."""
    return cast("bytes", msgpack.packb(value, default=_described))


def unpack(payload: bytes) -> dict[str, Any]:
    """Raises: ValueError, if it is not what ``pack`` makes."""
    if payload.startswith(PICKLE):
        raise ValueError("a pickled payload is refused: who enqueues must use the worker's serialiser")
    return _map(msgpack.unpackb(payload, strict_map_key=False))


def pack_json(value: dict[str, Any]) -> bytes:
    """Raises: TypeError for what JSON has no form for."""
    return orjson.dumps(value, default=_described)


def unpack_json(payload: bytes) -> dict[str, Any]:
    """Raises: ValueError, if it is no JSON object, as no pickle is."""
    return _map(orjson.loads(payload))


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a payload is a map")  # noqa: TRY004 - the payload is wrong, not the call
    if value.get("s") is False and value.get("r") == ABORTED:
        value["r"] = asyncio.CancelledError()
    return value


def _described(value: object) -> object:
    """An error, which is what a failed job gives, as a text; arq then raises SerializationError with it."""
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    raise TypeError(f"no form for {type(value).__name__}")
