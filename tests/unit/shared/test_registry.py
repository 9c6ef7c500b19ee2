"""Discovery of task types, the user's modules included, and inputs checked by them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.domain.definition import TaskModel, task
from shared.domain.errors import ConfigurationError, InputRefused, UnknownTaskType
from shared.domain.pointers import pointer
from shared.domain.run import Run
from shared.registry import Registry, discover

TASK = '''
from shared.tasks import Run, TaskModel, task

class Nothing(TaskModel):
    pass

@task(type="{type}")
async def handle(run: Run, given: Nothing) -> Nothing:
    """Do nothing."""
    return given
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path whose modules are forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("users_"):
            del sys.modules[name]


def write(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(text)
    return name


def test_a_users_module_stands_beside_our_own(folder: Path) -> None:
    registry = discover([write(folder, "users_good", TASK.format(type="zz_theirs"))])
    assert "zz_theirs" in registry
    assert "simple_calculation" in registry
    assert registry.get("zz_theirs").description == "Do nothing."


def test_types_come_in_name_order_and_once() -> None:
    registry = discover(["shared.tasks.simple_calculation"])
    assert list(registry.types) == sorted(set(registry.types))
    assert [d.type for d in registry] == list(registry.types)
    assert len(registry) == len(registry.types)


def test_a_definition_imported_from_elsewhere_is_not_found_twice(folder: Path) -> None:
    write(folder, "users_base", TASK.format(type="zz_base"))
    both = write(folder, "users_both", "from users_base import handle\n" + TASK.format(type="zz_both").replace(
        "async def handle", "async def other"))  # fmt: skip
    registry = discover(["users_base", both])
    assert {"zz_base", "zz_both"} <= set(registry.types)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("from shared.tasks import nothing_like_it", "ImportError"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("x = 1", "defines no task type"),
        ("from shared.tasks.simple_calculation import *", "defines no task type"),
        (TASK.format(type="simple_calculation"), "'simple_calculation' is defined twice"),
        (TASK.format(type="Bad Name"), "ValueError: task type 'Bad Name'"),
        (TASK.format(type="zz").replace("given: Nothing", "given"), "annotate the second parameter"),
        (TASK.format(type="zz").replace("-> Nothing", "-> Nowhere"), "NameError"),
    ],
)
def test_a_module_that_is_wrong_is_one_clear_line(folder: Path, text: str, says: str) -> None:
    name = write(folder, "users_wrong", text)
    with pytest.raises(ConfigurationError) as caught:
        discover([name])
    message = str(caught.value)
    assert says in message
    assert name in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("name", ["no_such_module", "no.such.module", "", ".relative", "a b", "shared.tasks.nope"])
def test_a_name_that_is_no_module_is_one_clear_line(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be imported") as caught:
        discover([name])
    assert len(str(caught.value).splitlines()) == 1


class Careless(TaskModel):
    place: str

    @field_validator("place")
    @classmethod
    def known(cls, place: str) -> str:
        return {"here": "here"}[place]


@task(type="careless")
async def careless(run: Run, given: Careless) -> Careless:
    return given


def test_a_validator_that_raises_anything_refuses_the_input() -> None:
    registry = Registry([careless])
    assert registry.validate_input("careless", {"place": "here"}) == Careless(place="here")
    with pytest.raises(InputRefused, match="cannot read this: KeyError: 'there'") as caught:
        registry.validate_input("careless", {"place": "there"})
    assert [at for at, _ in caught.value.problems] == [""]


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(UnknownTaskType, match=r"no task type 'nope'\. Known: .*simple_calculation"):
        discover().get("nope")


class Inner(TaskModel):
    n: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    plain: int = 0
    slashed: int = Field(0, alias="a/b")
    tilded: int = Field(0, alias="a~b")
    both: int = Field(0, alias="~1/")
    items: list[Inner] = Field(default_factory=list)
    named: dict[str, Inner] = Field(default_factory=dict)


@task(type="nested")
async def nested(run: Run, given: Outer) -> Inner:
    return Inner(n=given.plain)


NESTED = Registry([nested])


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({"plain": "x"}, ["/plain"]),
        ({"a/b": "x"}, ["/a~1b"]),
        ({"a~b": "x"}, ["/a~0b"]),
        ({"~1/": "x"}, ["/~01~1"]),
        ({"items": [{"n": 1}, {"n": "x"}]}, ["/items/1/n"]),
        ({"items": [{}]}, ["/items/0/n"]),
        ({"named": {"k/": {"n": []}}}, ["/named/k~1/n"]),
        ({"more": 1}, ["/more"]),
        ({"plain": "x", "more": 1}, ["/plain", "/more"]),
        ([], [""]),
        (None, [""]),
    ],
    ids=str,
)
def test_each_problem_points_at_its_place(given: object, pointers: list[str]) -> None:
    with pytest.raises(InputRefused) as caught:
        NESTED.validate_input("nested", given)
    assert [place for place, _ in caught.value.problems] == pointers
    assert all(detail for _, detail in caught.value.problems)


def test_a_good_input_comes_back_typed() -> None:
    assert NESTED.validate_input("nested", {"items": [{"n": 1}]}) == Outer(items=[Inner(n=1)])


def test_the_empty_location_is_the_whole_document() -> None:
    assert pointer(()) == ""
    assert pointer(("a", 0, "b/c~d")) == "/a/0/b~1c~0d"
