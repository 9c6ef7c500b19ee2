"""Graphs of tasks: which can be run, which are refused and where, and what a node takes from those before it."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from shared.domain.errors import InputRefused
from shared.domain.pointers import pointer, steps_of
from shared.domain.workflow import MOST_EDGES, MOST_NODES, Linked, Reference, link

Asked = dict[str, tuple[list[str], Any]]


def refusal(asked: Asked) -> list[tuple[str, str]]:
    with pytest.raises(InputRefused) as caught:
        link(asked)
    return caught.value.problems


def of(node: object, path: object = "/result/x", **more: object) -> dict[str, object]:
    return {"$from": node, "path": path, **more}


def test_a_reference_implies_after_and_both_sides_know_the_edge() -> None:
    linked = link(
        {"a": ([], {}), "b": (["a"], {"x": [1, of("a")], "y": {"z": of("c", "/error/message")}}), "c": ([], {})}
    )
    assert linked["b"] == Linked(
        ("a", "c"),
        (),
        (Reference(("x", 1), "a", ("result", "x")), Reference(("y", "z"), "c", ("error", "message"))),
    )
    assert (linked["a"].successors, linked["c"].successors) == (("b",), ("b",))


def test_the_whole_input_may_be_a_reference_and_the_path_is_the_result_if_absent() -> None:
    assert link({"a": ([], None), "b": ([], {"$from": "a"})})["b"].references == (Reference((), "a", ("result",)),)


@pytest.mark.parametrize(
    ("asked", "place", "says"),
    [
        ({"a": (["b"], {})}, "/tasks/a/after/0", "no node 'b'"),
        ({"a": (["a"], {})}, "/tasks/a/after/0", "after itself"),
        ({"a": ([], {"x": of("b")})}, "/tasks/a/input/x", "no node 'b'"),
        ({"a": ([], {"x": of("a")})}, "/tasks/a/input/x", "after itself"),
        ({"a": (["b"], {}), "b": (["a"], {})}, "/tasks/a/after/0", "a after b after a"),
        ({"a": ([], {"x": of("b")}), "b": (["a"], {})}, "/tasks/a/input/x", "a after b after a"),
        ({"": ([], {})}, "/tasks/", "letters"),
        ({"a b": ([], {})}, "/tasks/a b", "letters"),
        ({"a/b": ([], {})}, "/tasks/a~1b", "letters"),
        ({"x" * 64: ([], {})}, f"/tasks/{'x' * 64}", "63"),
        ({"a": ([], {}), "b": ([], {"x": of("a", "result")})}, "/tasks/b/input/x", "JSON pointer"),
        ({"a": ([], {}), "b": ([], {"x": of("a", "/result/~2")})}, "/tasks/b/input/x", "JSON pointer"),
        ({"a": ([], {}), "b": ([], {"x": of("a", "")})}, "/tasks/b/input/x", "begins with"),
        ({"a": ([], {}), "b": ([], {"x": of("a", "/lease")})}, "/tasks/b/input/x", "begins with"),
        ({"a": ([], {}), "b": ([], {"x": of("a", more=1)})}, "/tasks/b/input/x", "nothing else"),
        ({"a": ([], {}), "b": ([], {"x": of(1)})}, "/tasks/b/input/x", "nothing else"),
        ({"a": ([], {}), "b": ([], {"x": of("a", 1)})}, "/tasks/b/input/x", "nothing else"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused_at_its_place(asked: Asked, place: str, says: str) -> None:
    [(at, detail)] = refusal(asked)
    assert at == place
    assert says in detail


def test_every_wrong_place_is_named() -> None:
    assert [at for at, _ in refusal({"a": (["x", "y"], {"b": of("z")})})] == [
        "/tasks/a/after/0",
        "/tasks/a/after/1",
        "/tasks/a/input/b",
    ]


def test_too_many_nodes_or_edges_are_refused() -> None:
    assert link({f"n{n}": ([], {}) for n in range(MOST_NODES)})
    assert refusal({f"n{n}": ([], {}) for n in range(MOST_NODES + 1)})[0][0] == "/tasks"
    wide: Asked = {f"n{n}": ([], {}) for n in range(400)}
    crossed: Asked = {f"m{n}": (list(wide), {}) for n in range(MOST_EDGES // 400 + 1)}
    assert "predecessors" in refusal({**wide, **crossed})[0][1]


def test_a_chain_of_all_nodes_is_no_deeper_than_the_stack() -> None:
    chain: Asked = {f"n{n}": ([f"n{n - 1}"] if n else [], {}) for n in range(MOST_NODES)}
    assert len(link(chain)) == MOST_NODES
    chain["n0"] = ([f"n{MOST_NODES - 1}"], {})
    [(_, detail)] = refusal(chain)
    assert "…" in detail


nodes = st.integers(1, 12)
edges = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=30)


@hypothesis.settings(deadline=None)
@hypothesis.given(count=nodes, edges=edges)
def test_a_graph_is_taken_exactly_if_it_can_be_sorted(count: int, edges: list[tuple[int, int]]) -> None:
    after: dict[str, list[str]] = {f"n{n}": [] for n in range(count)}
    for one, other in edges:
        if one < count and other < count and one != other:
            after[f"n{one}"].append(f"n{other}")
    asked: Asked = {name: (others, {}) for name, others in after.items()}
    if not sortable(after):
        [(at, _)] = refusal(asked)
        _, _, name, _, index = at.split("/")
        assert after[name][int(index)] in after
        return
    linked = link(asked)
    for name, others in after.items():
        assert linked[name].after == tuple(dict.fromkeys(others))
        assert set(linked[name].successors) == {other for other in after if name in after[other]}
        assert len(linked[name].successors) == len(set(linked[name].successors))


def sortable(after: dict[str, list[str]]) -> bool:
    """By taking away what waits for nothing, again and again: slow, and plain to see."""
    left = {name: set(others) for name, others in after.items()}
    while free := [name for name, others in left.items() if not others]:
        left = {name: others - set(free) for name, others in left.items() if name not in free}
    return not left


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@hypothesis.settings(deadline=None)
@hypothesis.given(value=st.dictionaries(st.text(max_size=5), json_values, max_size=4), where=st.data())
def test_a_reference_is_found_wherever_it_stands(value: dict[str, Any], where: st.DataObject) -> None:
    places = [at for at in every_place(value) if at]
    at = where.draw(st.sampled_from(places)) if places else ("new",)
    planted = with_value(value, at, of("a"))
    assert Reference(at, "a", ("result", "x")) in link({"a": ([], {}), "b": ([], planted)})["b"].references


def every_place(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, item in inner for place in every_place(item, (*at, key)))]


def with_value(value: Any, at: tuple[str | int, ...], new: Any) -> Any:
    if not at:
        return new
    first, *rest = at
    if isinstance(value, list):
        return [with_value(item, tuple(rest), new) if n == first else item for n, item in enumerate(value)]
    return {**value, first: with_value(value.get(first), tuple(rest), new)}


@hypothesis.settings(deadline=None)
@hypothesis.given(steps=st.lists(st.text(max_size=8), max_size=5))
def test_a_pointer_leads_back_to_its_steps(steps: list[str]) -> None:
    assert steps_of(pointer(tuple(steps))) == tuple(steps)


@pytest.mark.parametrize("text", ["a", "/a~", "/~2", "//~"], ids=str)
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON pointer"):
        steps_of(text)
