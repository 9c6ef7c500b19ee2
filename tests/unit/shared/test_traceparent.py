"""The header ``traceparent``: the cases of W3C's own test suite, and what is passed on of it."""

from __future__ import annotations

import pytest

from shared.telemetry.traceparent import facts_of, numbers, read, written

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("flags", ["00", "01", "03", "ff"])
def test_a_header_of_the_known_version_is_passed_on_as_it_is(flags: str) -> None:
    header = f"00-{TRACE}-{SPAN}-{flags}"
    assert read([header]) == header
    assert written(*numbers(header)) == header


@pytest.mark.parametrize("more", ["", "-", "-what-the-future-will-be-like"])
def test_a_later_version_is_read_as_far_as_it_is_known(more: str) -> None:
    assert read([f"cc-{TRACE}-{SPAN}-03{more}"]) == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "00-zero",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f".0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-.1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"{GOOD}\n",
        f" {GOOD}",
    ],
)
def test_a_malformed_header_is_as_none(header: str) -> None:
    assert read([header]) is None


def test_a_header_that_is_there_twice_is_as_none() -> None:
    assert read([GOOD, GOOD]) is None
    assert read([]) is None


def test_a_log_line_names_trace_and_span() -> None:
    assert facts_of(GOOD) == {"trace_id": TRACE, "span_id": SPAN}
    assert facts_of(None) == {}
