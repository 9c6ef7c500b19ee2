"""Cursors lead where they were made to lead, and forged ones lead nowhere."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from service.pagination import Cursors, next_link
from service.problems import Problem
from shared.domain.ids import new_id
from shared.settings import Settings

KEYED = Cursors(Settings(_env_file=None, secret_key=SecretStr("one")), "tasks")
UNKEYED = Cursors(Settings(_env_file=None), "tasks")


@pytest.mark.parametrize("cursors", [KEYED, UNKEYED])
@given(last=st.uuids())
def test_a_cursor_is_read_as_it_was_written(cursors: Cursors, last: UUID) -> None:
    assert cursors.read(cursors.write(last)) == last


@given(st.text(max_size=60))
def test_no_text_of_a_stranger_is_a_cursor(forged: str) -> None:
    with pytest.raises(Problem) as refused:
        KEYED.read(forged)
    assert (refused.value.status_code, refused.value.code) == (400, "invalid_cursor")


def test_a_cursor_of_another_list_or_secret_is_forged() -> None:
    written = KEYED.write(new_id())
    others = [UNKEYED, Cursors(Settings(_env_file=None, secret_key=SecretStr("one")), "files")]
    for other in others:
        with pytest.raises(Problem):
            other.read(written)


def test_a_changed_id_is_forged() -> None:
    raw = bytearray(base64.urlsafe_b64decode(KEYED.write(new_id())))
    raw[3] ^= 1
    with pytest.raises(Problem):
        KEYED.read(base64.urlsafe_b64encode(raw).decode())


def test_the_next_link_keeps_the_filters_and_replaces_the_cursor() -> None:
    link = next_link("/api/v1/tasks", [("status", "FAILED"), ("cursor", "old"), ("tag", "a b"), ("tag", "c")], "new")
    assert link == {"Link": '</api/v1/tasks?status=FAILED&tag=a+b&tag=c&cursor=new>; rel="next"'}
