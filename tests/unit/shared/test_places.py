"""Where in an input a refusal stands: a pointer into what was given, without pydantic's names for union members."""

from __future__ import annotations

import pytest

from shared.domain.errors import InputRefused
from shared.registry import discover, place

REGISTRY = discover()


@pytest.mark.parametrize(
    ("value", "location", "expected"),
    [
        ({"b": "x"}, ("b", "constrained-int"), ("b",)),
        ({"a": [{"op": "x"}]}, ("a", 0, "filter", "value"), ("a", 0, "value")),
        ({}, ("prompt",), ("prompt",)),
        ({"a": {"b": 1}}, ("a", "constrained-int"), ("a",)),
        ({"a": {"b": 1}}, ("a", "b"), ("a", "b")),
        ([], (3,), ()),
    ],
)
def test_only_steps_that_lead_into_the_value_are_kept(
    value: object, location: tuple[int | str, ...], expected: tuple[int | str, ...]
) -> None:
    assert place(value, location, is_missing=location == ("prompt",) or location[-1:] == ("value",)) == expected


@pytest.mark.parametrize(
    ("task_type", "given", "pointers"),
    [
        ("simple_calculation", {"a": 1, "b": "x", "operation": "add"}, {"/b"}),
        (
            "data_processing",
            {"rows": [], "operations": [{"op": "filter", "column": "a", "cmp": "=="}]},
            {"/operations/0/value"},
        ),
        ("data_processing", {"rows": [], "operations": [{"op": "dance"}]}, {"/operations/0"}),
        ("data_processing", {"rows": [{"a": {"b": 1}}], "operations": []}, {"/rows/0/a"}),
    ],
)
def test_refusals_of_our_types_point_into_the_input(
    task_type: str, given: dict[str, object], pointers: set[str]
) -> None:
    with pytest.raises(InputRefused) as refused:
        REGISTRY.validate_input(task_type, given)
    assert {pointer for pointer, _ in refused.value.problems} == pointers
