"""Results as JSON: what PostgreSQL takes is kept to the letter, what it cannot take is refused."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.domain.definition import TaskModel
from worker.executor import result_json


def len_of(value: int) -> str:
    return f"{value.bit_length()} bits"


class Output(TaskModel):
    value: Any = None


class Plain(BaseModel):
    value: float


STORABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(STORABLE)
def test_what_can_be_stored_comes_back_to_the_letter(value: Any) -> None:
    assert json.loads(result_json(Output(value=value))) == {"value": value}


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1, {"deep": v}], lambda v: {"k": [v]}])
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "\x00", "a\x00b", "\\\x00", "\ud800", "a\udfffb"], ids=ascii
)
def test_what_no_jsonb_holds_is_refused(value: object, wrap: Any) -> None:
    with pytest.raises(ValueError, match=r"NUL|range|surrogate|JSON|utf-8"):
        result_json(Output(value=wrap(value)))


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [None, {"deep": v}], lambda v: {"\ud7ff": ["0" * 30, v]}])
@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**30, math.factorial(200), -(10**5_000)], ids=len_of)
def test_an_integer_that_no_reader_takes_for_what_it_is_is_refused(value: int, wrap: Any) -> None:
    with pytest.raises(ValueError, match="integer beyond 64 bits"):
        result_json(Output(value=wrap(value)))


@pytest.mark.parametrize(
    "value",
    [2**64 - 1, -(2**63), 1e300, -1.2345678901234567e-300, "1" * 400, {"9" * 40: 1}, Decimal("1" * 40)],
    ids=str,
)
def test_other_long_numbers_come_back_as_they_were(value: object) -> None:
    text = result_json(Output(value=[value, 10**18]))
    assert (
        orjson.loads(text)
        == json.loads(text)
        == {"value": [str(value) if isinstance(value, Decimal) else value, 10**18]}
    )


def test_a_nul_in_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        result_json(Output(value={"a\x00": 1}))


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "C:\\u0000", "\\"], ids=ascii)
def test_the_mere_spelling_of_a_nul_is_kept(text: str) -> None:
    assert json.loads(result_json(Output(value=text))) == {"value": text}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_model_that_is_no_task_model_hides_no_nan(value: float) -> None:
    with pytest.raises(ValueError, match="range"):
        result_json(Plain(value=value))
