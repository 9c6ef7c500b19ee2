"""The small print of HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.preferences import etag_of, matches, preferred_wait
from service.schemas.base import instant


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        ((), None),
        (("wait=5",), 5),
        (('respond-async, wait="7"; x=1',), 7),
        (("handling=lenient", "Wait = 3"), 3),
        (("wait=600",), 60),
        (("wait=0",), 0),
        (("wait=-1",), None),
        (("wait=soon",), None),
        (("wait",), None),
        (("awaits=5",), None),
        (("wait=5, wait=9",), 5),
    ],
)
def test_the_wait_preference_is_read_clamped_or_ignored(values: tuple[str, ...], wait: int | None) -> None:
    assert preferred_wait(values) == wait


def test_an_etag_follows_the_body() -> None:
    assert etag_of(b"a") == etag_of(b"a") != etag_of(b"b")


@pytest.mark.parametrize(
    ("header", "matched"),
    [(None, False), ("*", True), ('"x"', False), ("{}", True), ("W/{}", True), ('"x", {}', True), ("", False)],
)
def test_if_none_match_compares_weakly(header: str | None, matched: bool) -> None:
    etag = etag_of(b"body")
    assert matches(header.format(etag) if header else header, etag) is matched


def test_a_time_is_read_as_rfc_3339_or_refused() -> None:
    noon = datetime(2030, 1, 31, 12, tzinfo=UTC)
    for text in ("2030-01-31T12:00:00Z", "2030-01-31t12:00:00z", "2030-01-31T14:00:00+02:00", "2030-01-31 12:00:00Z"):
        assert instant(text) == noon
    assert instant("2030-01-31T12:00:00.123456789Z") == noon + timedelta(microseconds=123_456)
    refused: list[object] = [
        "2030-01-31T12:00:00",
        "2030-01-31",
        "2030-W05-4T12:00:00Z",
        "2030-02-30T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2030-01-31T12:00:60Z",
        1_900_000_000,
        True,
        ["2030-01-31T12:00:00Z"],
    ]
    for value in refused:
        with pytest.raises(ValueError, match=r"RFC 3339|out of range"):
            instant(value)
