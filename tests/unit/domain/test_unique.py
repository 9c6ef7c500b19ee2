"""The unique key of an input: equal for what means the same, and refused where there is none to be had."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.definition import task
from shared.domain.errors import InputRefused
from shared.domain.unique import key_of
from tests.support.unique_tasks import Page

TEXTS = st.text(max_size=20)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 9), TEXTS, TEXTS, st.integers(0, 9), TEXTS)
def test_keys_are_equal_where_the_fields_named_are(
    url: str, depth: int, note: str, url2: str, depth2: int, note2: str
) -> None:
    one, two = Page(url=url, depth=depth, note=note), Page(url=url2, depth=depth2, note=note2)
    is_same = key_of(("url", "depth"), one) == key_of(("depth", "url"), two)
    assert is_same == ((url, depth) == (url2, depth2))


def test_a_function_gives_the_key_or_none() -> None:
    page = Page(url="a")
    assert key_of(None, page) is None
    assert key_of(lambda _: None, page) is None
    assert key_of(lambda given: given.url, page) == key_of(lambda _: "a", Page(url="b"))


@pytest.mark.parametrize("wrong", [lambda _: 7, lambda _: "x" * 256, lambda given: given.nothing])
def test_a_key_that_is_none_refuses_the_input(wrong: Any) -> None:
    with pytest.raises(InputRefused):
        key_of(wrong, Page(url="a"))


async def handler(run: Any, given: Page) -> Page:
    return given


@pytest.mark.parametrize(
    ("unique", "error"), [((), ValueError), (("no_field",), ValueError), ("url", TypeError), (7, TypeError)]
)
def test_a_key_that_cannot_be_is_refused_where_it_is_written(unique: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="unique"):
        task(type="page", unique=unique)(handler)


def test_a_type_keeps_its_key() -> None:
    assert task(type="page", unique=("url",))(handler).unique == ("url",)
    assert task(type="page")(handler).unique is None
