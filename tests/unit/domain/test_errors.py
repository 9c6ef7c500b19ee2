"""What is said of an outage: the driver's own words, and where to look."""

from __future__ import annotations

import asyncio

import pytest

from shared.domain.errors import StorageFull, StoreUnavailable, bottom_of, why_unavailable

ADVICE = " Is DATABASE_URL right, and PostgreSQL up?"


def caused(by: BaseException | None, error: StoreUnavailable | None = None) -> StoreUnavailable:
    told = error or StoreUnavailable()
    told.__cause__ = by
    return told


def timed_out() -> TimeoutError:
    """As ``asyncio.timeout`` raises it: made of the cancel that ended the wait."""
    late = TimeoutError()
    late.__cause__ = asyncio.CancelledError()
    return late


def wrapped() -> Exception:
    outer = RuntimeError("a wrapper's words, with SQL in them")
    outer.__cause__ = ConnectionError('password authentication failed\nfor user "x"')
    return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (caused(None), "The database cannot be reached." + ADVICE),
        (caused(timed_out()), "The database cannot be reached: no answer in time." + ADVICE),
        (caused(wrapped()), 'The database cannot be reached: password authentication failed for user "x".' + ADVICE),
        (caused(wrapped(), StoreUnavailable("Others hold tables.")), "Others hold tables."),
        (caused(wrapped(), StorageFull()), "The database's disk is full."),
    ],
    ids=["nothing", "a-time-out", "a-refusal", "own-words", "a-full-disk"],
)
def test_an_outage_says_its_reason_and_where_to_look(error: StoreUnavailable, said: str) -> None:
    assert why_unavailable(error) == said


def test_a_time_out_is_told_as_one_and_not_as_the_cancel_it_is_made_of() -> None:
    late = timed_out()
    assert bottom_of(caused(late)) is late
