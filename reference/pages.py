"""Which pages there are, what each is made from, and which of those on disk are out of date."""

from __future__ import annotations

from pathlib import Path

from reference import api, client, commands, errors, settings, task_types

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made from the code by `make docs`. Change the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """Every page by its file name, the same each time."""
    made = {
        "api.md": api.page(),
        "cli.md": commands.page(),
        "client.md": client.page(),
        "errors.md": errors.page(),
        "settings.md": settings.page(),
        "task-types.md": task_types.page(),
    }
    return {name: f"{MADE}{text.rstrip()}\n" for name, text in made.items()}


def stale() -> list[str]:
    """The names of pages that are missing, or not what the code says now."""
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    made = pages()
    return sorted(name for name in made.keys() | on_disk.keys() if made.get(name) != on_disk.get(name))
