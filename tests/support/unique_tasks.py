"""Task types with a unique key: by fields of the input, and by a function of it."""

from __future__ import annotations

from shared.registry import Registry, discover
from shared.tasks import Run, TaskModel, task


class Page(TaskModel):
    url: str
    depth: int = 1
    note: str = ""


def _key(given: Page) -> str | None:
    if given.note == "broken":
        raise RuntimeError("no key today")
    return given.url if given.depth else None


@task(type="crawl", queue="demo_tasks", timeout=60, unique=("url", "depth"))
async def crawl(run: Run, given: Page) -> Page:
    """Read a page, once at a time."""
    return given


@task(type="fetch", queue="demo_tasks", timeout=60, unique=_key)
async def fetch(run: Run, given: Page) -> Page:
    """The same, by a function."""
    return given


def registry() -> Registry:
    """The product's own types, and these."""
    return Registry([*discover(), crawl, fetch])
