"""Ids sort by creation: lists page by them, and the primary key grows at one end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from shared.domain.ids import new_id


def test_ids_made_one_after_another_are_in_order() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_ids_order_by_bytes_as_postgresql_does() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert sorted(ids, key=lambda i: i.bytes) == sorted(ids, key=str) == ids


def test_an_id_is_a_version_7_uuid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    # The generator may run a little ahead of the clock to stay in order.
    assert before - 1 <= made.int >> 80 <= after + 1_000


def test_threads_never_make_the_same_id() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: [new_id() for _ in range(2_000)], range(4)))
    assert len({i for ids in made for i in ids}) == 8_000
