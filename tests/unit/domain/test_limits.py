"""Who may go next: no limit is exceeded, nobody is forgotten, and tenants take turns."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.limits import Limits, Line, limits_text, names_in, share_out
from shared.domain.rates import Rate

QUEUES = ("urgent", "slow")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def line(limits: str, *, queue: str = "slow", tenant: int = 1, due: int = 9, priority: int = 5, age: int = 0) -> Line:
    return Line(queue, tenant, limits, due, priority, NOW - timedelta(seconds=age))


def test_a_task_carries_the_names_of_its_limits() -> None:
    text = limits_text(type="resize", queue="slow", key="acme: 7")
    assert names_in(2, text) == ("type:resize", "queue:slow", "key:2:acme: 7")
    assert (limits_text(type=None, queue=None, key=None), names_in(2, "")) == ("", ())


def test_a_key_is_the_tenants_own_and_a_type_everybodys() -> None:
    mine, theirs = (set(names_in(tenant, "type:resize\nkey:acme")) for tenant in (1, 2))
    assert mine & theirs == {"type:resize"}


def test_a_key_cannot_pass_for_another_limit() -> None:
    assert names_in(1, limits_text(type=None, queue=None, key="type:resize")) == ("key:1:type:resize",)


def test_room_is_what_count_and_rate_both_leave() -> None:
    limits = Limits({"type:a": 5}, {"type:a": Rate(1, 1.0), "type:b": Rate(2, 1.0)}, per_key=3)
    room = limits.room(["type:a", "type:b", "key:1:k"], {"type:a": 1, "key:1:k": 4}, {"type:b": 0.25})
    assert room == {"type:a": 1, "type:b": 1, "key:1:k": 0}


def test_a_name_that_nobody_knows_any_more_limits_nothing() -> None:
    assert Limits({"type:a": 1}).known(["type:a", "type:gone", "queue:gone", "key:1:k"]) == ["key:1:k", "type:a"]
    gone = line("type:gone")
    assert share_out([gone], {}, 4, queues=QUEUES, after=0) == {gone: 4}


def test_queues_come_in_their_order() -> None:
    slow, urgent = line("type:a", age=60), line("type:a", queue="urgent")
    assert share_out([slow, urgent], {"type:a": 3}, 9, queues=QUEUES, after=0) == {urgent: 3}


def test_a_full_key_does_not_block_the_others_of_its_type() -> None:
    full, free = line("type:a\nkey:full", due=100_000, age=60), line("type:a\nkey:free", due=2)
    room = {"type:a": 8, "key:1:full": 0, "key:1:free": 1}
    assert share_out([full, free], room, 9, queues=QUEUES, after=0) == {free: 1}


def test_tenants_take_turns_however_much_one_has_waiting() -> None:
    much, little = line("type:a", tenant=1, due=100_000, age=60), line("type:a", tenant=2, due=3)
    assert share_out([much, little], {"type:a": 6}, 9, queues=QUEUES, after=0) == {much: 3, little: 3}
    alone = [share_out([much, little], {"type:a": 1}, 9, queues=QUEUES, after=after) for after in (0, 1, 2)]
    assert alone == [{much: 1}, {little: 1}, {much: 1}]


def test_of_one_tenants_lines_the_most_urgent_begins() -> None:
    lines = [
        line("type:a\nkey:x", priority=5, age=60),
        line("type:a\nkey:y", priority=1),
        line("type:a\nkey:z", age=90),
    ]
    assert share_out(lines, {"type:a": 2}, 9, queues=QUEUES, after=0) == {lines[1]: 1, lines[2]: 1}


names = st.sampled_from(["type:a", "type:b", "queue:slow", "key:x", "key:y"])
lines_of = st.builds(
    line,
    st.lists(names, unique=True, min_size=1, max_size=3).map(lambda given: "\n".join(sorted(given))),
    queue=st.sampled_from(QUEUES),
    tenant=st.integers(1, 3),
    due=st.integers(1, 6),
    priority=st.integers(0, 9),
)


@given(
    st.lists(lines_of, max_size=8, unique_by=lambda each: each.place),
    st.dictionaries(st.sampled_from(["type:a", "type:b", "queue:slow", "key:1:x", "key:2:y"]), st.integers(0, 5)),
    st.integers(1, 10),
    st.integers(0, 3),
)
def test_as_many_as_fit_and_no_more(lines: list[Line], room: dict[str, int], most: int, after: int) -> None:
    counts = share_out(lines, room, most, queues=QUEUES, after=after)
    used = Counter(dict.fromkeys(room, 0))
    for each, count in counts.items():
        assert 0 < count <= each.due
        used.update(dict.fromkeys(each.names, count))
    assert all(used[name] <= room[name] for name in room), "a limit was exceeded"
    total = sum(counts.values())
    assert total <= most
    could_go = [
        each
        for each in lines
        if counts.get(each, 0) < each.due and all(used[name] < room[name] for name in each.names if name in room)
    ]
    assert total == most or not could_go, "one that could go was left"
