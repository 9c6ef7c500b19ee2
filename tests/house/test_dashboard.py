"""Rules of the dashboard's scripts and styles: nothing from elsewhere, nothing parsed as HTML, nothing dangling."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.dashboard.files import FOLDER, MEDIA_TYPES
from tests.house.tree import ROOT

MOST_LINES, MOST_COLUMNS = 200, 120
SCRIPTS = sorted(FOLDER.rglob("*.js"))
PARSES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc"
)
INLINE = re.compile(r"""setAttribute\(["'](?:style|on\w+)["']|[\s{]style: """)
ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/2000/svg)[\w.]+")
IMPORT = re.compile(r"""^import (?:(\w+)|\{([^}]*)\}) from "([^"]+)";""", re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:const|let|function\*?|class) (\w+)", re.MULTILINE)
LINK = re.compile(r"""(?:src|href)="(/dashboard/[^"]+)\"""")


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def script(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


def test_a_script_parses_no_html_and_writes_no_inline_code(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert PARSES_HTML.findall(text) == []
    assert INLINE.findall(text) == []


def test_a_script_says_what_it_owns_and_stays_small(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []


def test_what_a_script_imports_exists_and_is_used(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    for default, names, source in IMPORT.findall(text):
        target = (script.parent / source).resolve()
        assert target.is_relative_to(FOLDER.resolve())
        exported = target.read_text(encoding="utf-8")
        if default:
            assert "export default" in exported, source
        wanted = {name.strip().partition(" as ")[0] for name in names.split(",") if name.strip()}
        assert wanted - set(EXPORT.findall(exported)) == set(), source
        local = {name.strip().rpartition(" as ")[2] for name in names.split(",") if name.strip()} | {default} - {""}
        assert {name for name in local if len(re.findall(rf"\b{name}\b", text)) < 2} == set(), source


def test_every_script_is_reached_from_the_page() -> None:
    seen: set[Path] = set()
    waiting = [FOLDER / path.removeprefix("/dashboard/") for path in LINK.findall((FOLDER / "index.html").read_text())]
    while waiting:
        path = waiting.pop().resolve()
        if path.suffix == ".js" and path not in seen:
            seen.add(path)
            waiting += [path.parent / source for _, _, source in IMPORT.findall(path.read_text(encoding="utf-8"))]
    assert [path for path in SCRIPTS if path.resolve() not in seen] == []


def test_a_style_says_what_it_is_for_and_stays_small() -> None:
    for path in FOLDER.rglob("*.css"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("/* "), path
        assert len(lines) <= MOST_LINES, path
        assert [line for line in lines if len(line) > MOST_COLUMNS] == [], path


def test_nothing_comes_from_elsewhere() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == set(MEDIA_TYPES)
    for path in files:
        assert ELSEWHERE.findall(path.read_text(encoding="utf-8")) == [], path
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|<script>|\son\w+=|\sstyle=", page) == []
    assert all((FOLDER / path.removeprefix("/dashboard/")).is_file() for path in LINK.findall(page))


def test_the_files_are_in_the_wheel() -> None:
    # hatchling takes whatever lies in the packages, unless git ignores it.
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert FOLDER.is_relative_to(ROOT / "service")
    assert not {"static", "static/", "*.js", "*.css"} & set(ignored)
