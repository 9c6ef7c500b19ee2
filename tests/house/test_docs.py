"""What the pages name exists: targets, commands, options, settings, paths, links, routes, states, defaults."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from service.app import build
from service.cli.exits import ExitCode
from service.cli.main import app
from service.problems import KNOWN
from shared.domain.states import MOVES
from shared.registry import discover
from shared.settings import UNPREFIXED, Settings
from tests.house.pages import INLINE, Page, page, pages
from tests.house.tree import ROOT

LANGUAGES = {"bash", "console", "python", "json", "text", "toml", "dockerfile", "sql", "ini", "nginx", "caddyfile"}
OTHER_VARIABLES = {"TASKRUNNER_URL", "TASKRUNNER_API_KEY"}
OF_COMPOSE = {"TASKRUNNER_TAG"}
OUR_PATH = re.compile(r"(?<![\w./-])(?:service|worker|shared|tests|docs|deploy|benchmarks|reference)/[\w./@-]*")
ROOT_FILE = re.compile(r"(?:[\w-]+|\.env)\.(?:toml|yaml|lock|example)|Makefile|Dockerfile")
OPTION = re.compile(r"--[a-z][a-z-]+")
ROUTE = re.compile(r"`(GET|POST|PATCH|DELETE) (/[\w/{}-]+)`")
COMMAND = re.compile(r"\btaskrunner ([a-z]+)\b(?: ([a-z]+)\b)?([^|&]*)")
REFUSAL = re.compile(r"\b([45]\d\d) `([a-z_-]+)`")
NUMBERED = re.compile(r"docs/design/(\d{4})-[a-z-]+\.md")


@pytest.fixture(params=pages(), ids=lambda page: page.name)
def each(request: pytest.FixtureRequest) -> Page:
    chosen: Page = request.param
    return chosen


@cache
def commands() -> dict[str, Any]:
    """Every command of ``taskrunner``; a group has its own in ``commands``."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return dict(group.commands)


def options(command: Any) -> set[str]:
    return {"--help"}.union(*(parameter.opts for parameter in command.params))


def variable_of(setting: str) -> str:
    return setting.upper() if setting.upper() in UNPREFIXED else f"TASKRUNNER_{setting.upper()}"


def test_make_targets_exist(each: Page) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {match for code in each.code for match in re.findall(r"\bmake ([a-z][\w-]*)", code)}
    assert named - targets == set()


def test_commands_and_their_options_exist(each: Page) -> None:
    for code in each.code:
        for name, second, rest in COMMAND.findall(code):
            assert name in commands(), code
            command = commands()[name]
            if second and isinstance(command, TyperGroup):
                assert second in command.commands, code
                command = command.commands[second]
            assert set(OPTION.findall(rest)) - options(command) == set(), code


def test_settings_exist(each: Page) -> None:
    known = {variable_of(name) for name in Settings.model_fields} | OTHER_VARIABLES | OF_COMPOSE
    assert set(re.findall(r"\bTASKRUNNER_[A-Z_]+\b", each.text)) - known == set()


def test_paths_exist(each: Page) -> None:
    for code in each.code:
        named = [*OUR_PATH.findall(code), *(word for word in re.split(r"\s+", code) if ROOT_FILE.fullmatch(word))]
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_links_lead_somewhere(each: Page) -> None:
    for link in each.links:
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        found = (each.path.parent / target).resolve() if target else each.path
        assert found.exists(), link
        assert not anchor or anchor in Page(found).anchors, link


def test_problems_exist(each: Page) -> None:
    known = {(str(status), code) for code, (status, _) in KNOWN.items()}
    assert set(REFUSAL.findall(each.prose)) - known == set()


def test_a_page_of_the_design_has_one_number_in_its_name_and_its_title() -> None:
    design = [each for each in pages() if each.path.parent.name == "design"]
    numbers = [match[1] for each in design if (match := NUMBERED.fullmatch(each.name))]
    assert numbers == [f"{number:04}" for number in range(1, len(design) + 1)]
    assert [each.text[2:6] for each in design] == numbers


def test_every_folder_is_explained_to_those_who_change_it() -> None:
    explained = {code.rstrip("/") for row in page("docs/development.md").rows for code in INLINE.findall(row[0])}
    folders = [path for parent in (ROOT, ROOT / "tests") for path in parent.iterdir() if any(path.glob("__init__.py"))]
    assert {path.relative_to(ROOT).as_posix() for path in folders} - explained - {"shared"} == set()


def test_every_page_is_in_the_index() -> None:
    index = page("docs/README.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links if "://" not in link}
    written = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {index.path.resolve()}
    assert sorted(path.name for path in written - linked) == []


def test_every_block_says_what_it_is(each: Page) -> None:
    assert {block.language for block in each.blocks} - LANGUAGES == set()


def test_shell_lines_can_be_read(each: Page) -> None:
    for block in each.blocks:
        if block.language in {"bash", "console"}:
            shlex.split("\n".join(block.commands) if block.language == "console" else block.text, comments=True)


def test_every_setting_is_documented() -> None:
    named = {row[0].strip("`") for row in page("docs/reference/settings.md").rows if row[0].startswith("`")}
    assert named == {variable_of(name) for name in Settings.model_fields} | OTHER_VARIABLES


def test_every_task_type_is_documented_with_its_queue_and_time_limit() -> None:
    queues = {row[0].strip("`"): row[2].strip("`") for row in page("README.md").rows if len(row) == 3}
    sections = re.split(r"^## ", page("docs/reference/task-types.md").text, flags=re.MULTILINE)
    for definition in discover():
        assert queues[definition.type] == definition.queue
        (section,) = (text for text in sections if text.startswith(definition.type + "\n"))
        assert f"Queue `{definition.queue}`" in section
        assert f"time limit {definition.timeout:g} s" in section
        for model in (definition.input_model, definition.output_model):
            assert [name for name in model.model_fields if f"`{name}`" not in section] == []


def test_every_route_is_documented() -> None:
    assert {(m, nameless(p)) for m, p in ROUTE.findall(page("docs/reference/api.md").prose)} >= served()


def test_routes_exist(each: Page) -> None:
    known = served()
    named = [(method, path) for method, path in ROUTE.findall(each.prose) if not path.startswith("/dashboard/")]
    for method, path in named:
        assert {(method, nameless(path)), (method, nameless(f"/api/v1{path}"))} & known, f"{method} {path}"


@cache
def served() -> set[tuple[str, str]]:
    paths = build(Settings(_env_file=None), discover()).openapi()["paths"]
    return {(method.upper(), nameless(path)) for path, methods in paths.items() for method in methods}


def nameless(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def test_the_table_of_states_is_the_one_in_force() -> None:
    moves = set()
    for row in page("docs/concepts.md").rows:
        sources, target = re.findall(r"`([A-Z]+)`", row[0]), re.fullmatch(r"`([A-Z]+)`", row[1])
        if target:
            moves |= {(source, target[1]) for source in sources}
    assert moves == {(source.value, target.value) for source, targets in MOVES.items() for target in targets}


def test_every_exit_code_is_documented() -> None:
    documented = {row[0] for row in page("docs/cli.md").rows}
    assert {str(int(code)) for code in ExitCode} <= documented


def test_every_command_is_documented() -> None:
    text = page("docs/reference/cli.md").text
    assert [name for name in commands() if f"`taskrunner {name}" not in text] == []
