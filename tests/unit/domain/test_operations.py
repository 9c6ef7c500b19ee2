"""A filter is stored as it is given, and read back as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.db.statements.operations import filter_of
from shared.domain.operations import MOVABLE, BulkAction, spelled
from shared.domain.states import FINAL, MOVES, Status
from shared.domain.task import TaskFilter

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=3).map(tuple)
MOMENTS = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
FILTERS = st.builds(
    TaskFilter,
    statuses=st.lists(st.sampled_from(Status), max_size=3).map(tuple),
    types=TEXTS,
    queues=TEXTS,
    tags=TEXTS,
    created_after=MOMENTS,
    created_before=MOMENTS,
)


@settings(deadline=None)
@given(FILTERS)
def test_a_filter_survives_its_spelling(wanted: TaskFilter) -> None:
    assert filter_of(orjson.loads(orjson.dumps(spelled(wanted)))) == wanted


def test_what_can_be_moved_is_what_the_states_allow() -> None:
    stored = frozenset(MOVES)
    assert MOVABLE[BulkAction.RETRY] == {status for status in stored if Status.PENDING in MOVES[status]}
    assert MOVABLE[BulkAction.CANCEL] & stored == stored - FINAL
    assert MOVABLE[BulkAction.DELETE] == FINAL
