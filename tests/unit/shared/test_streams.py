"""Entries of a stream become events: few, in order, with every hole told."""

from __future__ import annotations

from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.broker.output import OUTPUT, PROGRESS, EntryId, Fields
from shared.domain.live import Event, Place
from shared.queue.feeds import FeedFilter, FeedPlace, happened
from shared.queue.streams import shown

STEP = Place(1, 2)


def said(piece: int, text: str) -> tuple[EntryId, Fields]:
    return (piece, 0), {OUTPUT: text.encode()}


def at(piece: int, note: int, percent: int) -> tuple[EntryId, Fields]:
    return (piece, note), {PROGRESS: orjson.dumps({"percent": percent})}


def told(entries: list[tuple[EntryId, Fields]], after: Place = STEP) -> list[tuple[str, str, object]]:
    found = [event for _, event in shown(after, entries)]
    return [(e.id, e.name, orjson.loads(e.data) if isinstance(e.data, bytes) else e.data) for e in found]


def test_pieces_that_follow_each_other_come_as_one() -> None:
    assert told([said(1, "a "), said(2, "b"), at(2, 1, 10), said(3, "c"), said(4, "d")]) == [
        ("1-2-2-0", "output", {"delta": "a b"}),
        ("1-2-2-1", "progress", {"percent": 10}),
        ("1-2-4-0", "output", {"delta": "cd"}),
    ]


def test_of_progress_only_the_newest_is_told_and_no_output_is_lost_for_it() -> None:
    assert told([at(0, 1, 5), said(1, "a"), at(1, 1, 10), at(1, 2, 15), said(2, "b"), at(2, 1, 20), said(3, "c")]) == [
        ("1-2-2-0", "output", {"delta": "ab"}),
        ("1-2-2-1", "progress", {"percent": 20}),
        ("1-2-3-0", "output", {"delta": "c"}),
    ]


def test_missing_pieces_are_told_where_they_are() -> None:
    assert told([said(3, "c"), said(4, "d"), said(9, "i"), at(11, 1, 90)]) == [
        ("1-2-2-0", "gap", {"missing": 2}),
        ("1-2-4-0", "output", {"delta": "cd"}),
        ("1-2-8-0", "gap", {"missing": 4}),
        ("1-2-9-0", "output", {"delta": "i"}),
        ("1-2-11-0", "gap", {"missing": 2}),
        ("1-2-11-1", "progress", {"percent": 90}),
    ]


def test_missing_notes_of_progress_are_no_gap() -> None:
    assert told([said(1, "a"), at(1, 7, 10), said(2, "b")]) == [
        ("1-2-1-0", "output", {"delta": "a"}),
        ("1-2-1-7", "progress", {"percent": 10}),
        ("1-2-2-0", "output", {"delta": "b"}),
    ]


def test_behind_a_gap_that_was_told_there_is_none() -> None:
    assert told([said(3, "c")], after=STEP.at(2)) == [("1-2-3-0", "output", {"delta": "c"})]


@given(st.lists(st.booleans(), max_size=40), st.data())
def test_however_it_is_cut_the_reader_has_every_piece_once(kinds: list[bool], data: st.DataObject) -> None:
    entries: list[tuple[EntryId, Fields]] = []
    piece = note = 0
    for is_output in kinds:
        piece, note = (piece + 1, 0) if is_output else (piece, note + 1)
        entries.append(said(piece, f"{piece} ") if is_output else at(piece, note, 50))
    text, place = "", STEP
    while left := [entry for entry in entries if entry[0] > place.said]:
        events = list(shown(place, left[: data.draw(st.integers(1, len(left)))]))
        taken = events[: data.draw(st.integers(1, len(events)))]
        assert all(one < other for (one, _), (other, _) in pairwise([(place, None), *taken]))
        pieces = [e.data for _, e in taken if e.name == "output" and isinstance(e.data, bytes)]
        text += "".join(orjson.loads(each)["delta"] for each in pieces)
        place = taken[-1][0]
    assert text == "".join(f"{n} " for n in range(1, piece + 1))


def entry(epoch: int, number: int, name: str = "started", type_: str = "a") -> tuple[EntryId, Fields]:
    fields = {b"event": name, b"type": type_, b"queue": "q", b"status": "PROCESSING", b"data": "{}"}
    return (epoch, number), {key: value.encode() for key, value in fields.items()}


def names(entries: list[tuple[EntryId, Fields]], after: FeedPlace, wanted: FeedFilter | None = None) -> list[str]:
    events: list[Event | None] = [event for _, event in happened(after, entries, wanted or FeedFilter())]
    return [f"{event.id} {event.name}" for event in events if event is not None]


def test_a_feed_tells_its_holes_and_its_new_epochs() -> None:
    entries = [entry(7, 1), entry(7, 4), entry(9, 1), entry(9, 2)]
    assert names(entries, FeedPlace(7, 0)) == [
        "7-1 started",
        "7-3 gap",
        "7-4 started",
        "9-0 gap",
        "9-1 started",
        "9-2 started",
    ]


def test_a_filter_leaves_out_without_a_hole() -> None:
    entries = [entry(7, 1), entry(7, 2, type_="b"), entry(7, 3)]
    assert names(entries, FeedPlace(7, 0), FeedFilter(types=frozenset({"a"}))) == ["7-1 started", "7-3 started"]
    assert names(entries, FeedPlace(7, 0), FeedFilter(queues=frozenset({"other"}))) == []
    assert names(entries, FeedPlace(7, 0), FeedFilter(statuses=frozenset({"FAILED"}))) == []
