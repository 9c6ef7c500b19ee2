"""The reference pages are what the code says, and the code says something everywhere: no field without a sentence."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from reference import errors
from reference import pages as made
from reference.advice import ADVICE
from reference.settings import API, MORE, WORKER
from service.app import build
from service.cli.main import app
from service.client import AsyncClient, Client
from service.problems import KNOWN
from shared.registry import discover
from shared.settings import Settings
from tests.house.pages import HEADING, page
from tests.house.tree import ROOT, modules

PAGES = ("api.md", "cli.md", "client.md", "errors.md", "settings.md", "task-types.md")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build(Settings(_env_file=None), discover()).openapi()


def test_the_pages_are_what_the_code_says() -> None:
    assert made.stale() == [], "make docs"


def test_a_page_that_is_missing_changed_or_left_over_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "FOLDER", tmp_path)
    for name, text in made.pages().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert made.stale() == []
    (tmp_path / "api.md").write_text("changed", encoding="utf-8")
    (tmp_path / "cli.md").unlink()
    (tmp_path / "old.md").write_text("of a feature that is gone", encoding="utf-8")
    assert made.stale() == ["api.md", "cli.md", "old.md"]


@pytest.mark.parametrize("name", PAGES)
def test_a_heading_stands_once_on_its_page(name: str) -> None:
    titles = [title.lower() for title in HEADING.findall(page(f"docs/reference/{name}").prose)]
    assert sorted(title for title in set(titles) if titles.count(title) > 1) == []


def test_every_part_of_the_api_has_a_description(document: dict[str, Any]) -> None:
    assert list(_undescribed_in_api(document)) == []


def _undescribed_in_api(document: dict[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, does in methods.items():
            described = [*does.get("parameters", ()), *(r for r in does["responses"].values() if "$ref" not in r), does]
            yield from (f"{method} {path}" for part in described if not part.get("description"))
    for name, schema in document["components"]["schemas"].items():
        yield from _undescribed(name, schema)


def _undescribed(name: str, schema: dict[str, Any]) -> Iterator[str]:
    if not schema.get("description"):
        yield name
    for field, given in schema.get("properties", {}).items():
        if not given.get("description"):
            yield f"{name}.{field}"


def test_every_field_of_a_task_type_has_a_description() -> None:
    assert [name for definition in discover() for name in _undescribed_in_type(definition)] == []


def _undescribed_in_type(definition: Any) -> Iterator[str]:
    for model, mode in ((definition.input_model, "validation"), (definition.output_model, "serialization")):
        schema = model.model_json_schema(mode=mode)
        for name, part in {definition.type: schema, **schema.get("$defs", {})}.items():
            yield from _undescribed(name, part)


def test_every_command_argument_and_option_has_help() -> None:
    assert list(_helpless("taskrunner", typer.main.get_command(app))) == []


def _helpless(name: str, command: Any) -> Iterator[str]:
    if not command.help:
        yield name
    yield from (f"{name} {one.name}" for one in command.params if not one.help)
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            yield from _helpless(f"{name} {below.name}", below)


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(("names", "folder"), [(API, "worker"), (WORKER, "service")], ids=["API", "worker"])
def test_a_setting_of_one_process_is_not_read_by_the_other(names: frozenset[str], folder: str) -> None:
    # `taskrunner up` hands settings on to both.
    texts = [module.text for module in modules(folder) if not module.name.startswith("service/cli/")]
    read = {name for text in texts for name in re.findall(r"\bsettings\.(\w+)", text)}
    assert names & read == set()
    assert names <= Settings.model_fields.keys()


def test_where_a_setting_sends_its_readers_on_is_a_setting() -> None:
    assert set(MORE) <= Settings.model_fields.keys()


def test_every_problem_comes_with_advice() -> None:
    assert ADVICE.keys() == KNOWN.keys()
    assert [code for code, (when, what) in ADVICE.items() if not (when and what)] == []


def test_every_type_of_an_error_that_we_write_into_a_task_is_explained() -> None:
    text = "\n".join(module.text for module in modules("shared", "worker"))
    written = set(re.findall(r"""TaskError\("(\w+)"|jsonb_build_object\('type', '(\w+)'""", text))
    assert {one or other for one, other in written} - errors.TASKS.keys() == set()


def test_every_verb_of_the_client_says_what_it_does() -> None:
    verbs = {name: verb for name, verb in vars(AsyncClient).items() if not name.startswith("_") and callable(verb)}
    assert [name for name, verb in verbs.items() if not inspect.getdoc(verb)] == []
    assert {name for name in verbs if name != "aclose"} <= set(vars(Client))


def test_the_generator_is_no_part_of_the_service() -> None:
    users = [module.name for module in modules("service", "worker", "shared") if "reference" in _roots(module.imports)]
    assert users == []
    assert (ROOT / "reference" / "__init__.py").exists()


def _roots(names: Iterator[str]) -> set[str]:
    return {name.split(".")[0] for name in names}
