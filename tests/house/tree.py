"""The project's own files and modules, as the house rules see them. No git query: a copy without .git counts too."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("service", "worker", "shared")
TEXT_SUFFIXES = frozenset(
    {".py", ".lua", ".md", ".toml", ".lock", ".yaml", ".yml", ".html", ".css", ".js", ".mako", ".service", ".example"}
)
BARE_NAMES = frozenset({"Makefile", "Dockerfile", "LICENSE", ".dockerignore", ".gitignore", "run"})


@dataclass(frozen=True)
class Module:
    """One Python file. ``name`` is its path from the root, with slashes."""

    name: str
    text: str

    @classmethod
    def of(cls, text: str) -> Module:
        """A made-up one."""
        return cls("made_up.py", text)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def comments(self) -> Iterator[str]:
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.string

    @property
    def imports(self) -> Iterator[str]:
        """Every module imported anywhere in the file, by its full name."""
        yield from _imported(ast.walk(self.tree))

    @property
    def eager_imports(self) -> Iterator[str]:
        """Those that run as soon as the module is imported; not those under TYPE_CHECKING."""
        yield from _imported(iter(self.tree.body))


def _imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """The Python files below these folders of the root."""
    paths = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return tuple(Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths)


@cache
def text_files() -> tuple[Path, ...]:
    """Every text file of the project, but for what .gitignore leaves out."""
    return tuple(path for path in _walk(ROOT) if path.suffix in TEXT_SUFFIXES or path.name in BARE_NAMES)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name == ".git" or any(fnmatch(path.name, pattern) for pattern in _ignored()):
            continue
        if not path.is_dir():
            yield path
        elif not (path / "pyvenv.cfg").exists():
            yield from _walk(path)


@cache
def _ignored() -> tuple[str, ...]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    return tuple(line.rstrip("/") for line in lines if not line.startswith("#"))
