"""The bytes between a worker and its child: length-prefixed msgpack, bounded, plain data only.

Knows the few types that handlers exchange with their run; refuses any other. Never pickle: what
comes out of a child was made by a task's input.
"""

from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgpack

from shared.domain.outcomes import Failed
from shared.domain.run import ChatMessage, Completion, StatsRow, StoredFile, Usage
from worker.blocking.errors import FrameTooLarge

FRAME_LIMIT_BYTES = 64 * 1_048_576
HEADER_BYTES = 4

RECORDS: dict[str, type[Any]] = {
    cls.__name__: cls for cls in (ChatMessage, Completion, Failed, StatsRow, StoredFile, Usage)
}
_EXTENSION = 1


def encode(*message: Any) -> bytes:
    """One frame, header included.

    Raises:
        FrameTooLarge: over ``FRAME_LIMIT_BYTES``. TypeError: a value that is no plain data.
    """
    body = _pack(message)
    if len(body) > FRAME_LIMIT_BYTES:
        raise FrameTooLarge(
            f"A {message[0]!r} message of {len(body)} bytes is over the limit of {FRAME_LIMIT_BYTES}: "
            "hand large data over as a file."
        )
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def body_size(header: bytes) -> int:
    """The number of bytes that follow ``header``. Raises: FrameTooLarge."""
    size = int.from_bytes(header, "big")
    if size > FRAME_LIMIT_BYTES:
        raise FrameTooLarge(f"A frame announces {size} bytes: this is not our protocol.")
    return size


def decode(body: bytes) -> list[Any]:
    """The message of a frame's body. Raises: ValueError where it is none."""
    message = msgpack.unpackb(
        body, ext_hook=_from_extension, unicode_errors="surrogatepass", strict_map_key=False, timestamp=0
    )
    if not isinstance(message, list) or not message:
        raise ValueError("a frame that holds no message")
    return message


def is_plain(value: Any) -> bool:
    """Whether ``value`` can cross."""
    try:
        _pack(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _pack(value: Any) -> bytes:
    # A lone surrogate in a handler's text is for the store to refuse, it must not break the pipe.
    return bytes(msgpack.packb(value, default=_to_extension, unicode_errors="surrogatepass"))


def _to_extension(value: Any) -> msgpack.ExtType:
    """Name and content of a value that msgpack doesn't know."""
    content: Any
    match value:
        case UUID():
            name, content = "UUID", value.bytes
        case datetime():
            name, content = "datetime", value.isoformat()
        case timedelta():
            name, content = "timedelta", [value.days, value.seconds, value.microseconds]
        case Path():
            # A relative path means nothing to a process that may stand elsewhere.
            name, content = "Path", os.fsencode(value.absolute())
        case _ if type(value) in RECORDS.values():
            name, content = type(value).__name__, [getattr(value, f.name) for f in dataclasses.fields(value)]
        case _:
            raise TypeError(f"{type(value).__qualname__} cannot cross between a handler's process and the worker")
    return msgpack.ExtType(_EXTENSION, _pack([name, content]))


def _from_extension(code: int, data: bytes) -> Any:
    if code != _EXTENSION:
        raise ValueError(f"unknown extension {code}")
    name, content = decode(data)
    match name:
        case "UUID":
            return UUID(bytes=content)
        case "datetime":
            return datetime.fromisoformat(content)
        case "timedelta":
            return timedelta(*content)
        case "Path":
            return Path(os.fsdecode(content))
        case "Failed":
            facts = Failed(*content)
            return dataclasses.replace(facts, lineage=tuple(facts.lineage))
        case _ if name in RECORDS:
            return RECORDS[name](*content)
        case _:
            raise ValueError(f"unknown record {name!r}")
