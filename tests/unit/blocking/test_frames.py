"""What crosses the pipe, and what must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.outcomes import Failed
from shared.domain.run import ChatMessage, Completion, StatsRow, StoredFile, Usage
from worker.blocking.errors import FrameTooLarge
from worker.blocking.frames import FRAME_LIMIT_BYTES, HEADER_BYTES, body_size, decode, encode, is_plain

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5, minutes=30)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        "text \ud800 \x00",
        b"\xff\x00",
        [1, ["a"], {"k": None}],
        UUID(int=7),
        AT,
        AT.astimezone(UTC),
        timedelta(days=-1, microseconds=3),
        Path("/data/\udcff name"),
        ChatMessage("user", "hi"),
        Completion("t", "m", None, Usage(1, 2, 3)),
        StoredFile(UUID(int=1), "n", 1, "0", "t/p", AT, Path("/x")),
        StatsRow("t", "q", 1, 2, 3, 4, 5, None, 0.5, None, 1.0),
        Failed("E", "m", ("a.E", "b.B"), "trace", is_fatal=True, retry_after=timedelta(seconds=3)),
    ],
)
def test_a_value_that_crosses_is_the_same_on_the_other_side(value: Any) -> None:
    frame = encode("kind", value)
    assert body_size(frame[:HEADER_BYTES]) == len(frame) - HEADER_BYTES
    assert decode(frame[HEADER_BYTES:]) == ["kind", value]


def test_a_time_keeps_its_offset() -> None:
    _, at = decode(encode("kind", AT)[HEADER_BYTES:])
    assert at.utcoffset() == AT.utcoffset()


def test_a_relative_path_arrives_as_the_file_the_sender_meant() -> None:
    assert decode(encode("kind", Path("a/b"))[HEADER_BYTES:]) == ["kind", Path.cwd() / "a/b"]


@pytest.mark.parametrize("value", [object(), {1, 2}, lambda: 1, 2**80, ValueError("x")])
def test_a_value_that_is_no_plain_data_is_refused_before_it_is_sent(value: Any) -> None:
    assert not is_plain(value)
    with pytest.raises((TypeError, OverflowError)):
        encode("kind", value)


def test_a_cyclic_value_is_not_plain() -> None:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    assert not is_plain(cyclic)


def test_a_frame_over_the_limit_is_refused_where_it_is_made_and_where_it_is_read() -> None:
    with pytest.raises(FrameTooLarge, match="hand large data over as a file"):
        encode("done", b"x" * (FRAME_LIMIT_BYTES + 1))
    with pytest.raises(FrameTooLarge, match="not our protocol"):
        body_size((FRAME_LIMIT_BYTES + 1).to_bytes(HEADER_BYTES, "big"))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x01", b"\x90", b"\x92\x01", b"\x91\xc7\x03\x05abc"])
def test_bytes_that_are_no_message_are_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's own messages
        decode(body)


def test_a_record_of_an_unknown_name_is_refused() -> None:
    body = encode("kind", UUID(int=1))[HEADER_BYTES:].replace(b"UUID", b"Evil")
    with pytest.raises(ValueError, match="unknown record 'Evil'"):
        decode(body)
