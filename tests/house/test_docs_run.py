"""The commands of the pages, run as a reader runs them: page by page, top to bottom, beside ``taskrunner up``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from shared.embedded.ports import LOOPBACK, free_port
from tests.house.pages import Block, Page, pages
from tests.house.tree import ROOT
from tests.support.processes import Processes

DOCUMENTED_URL = "http://127.0.0.1:8000"
START_SECONDS = 90.0
PAGE_SECONDS = 110
FILE_NAME = re.compile(r"# ([\w/]+)\.py\n")
MODULES = ("my_tasks", "invoices.tasks", "shop_tasks")
"""Modules that pages define, and their readers name in TASKRUNNER_TASK_MODULES."""
ELSEWHERE = ("greet", "shop_celery", "shop_bridge")
"""What needs more than this reader has: the address of Redis, which ``up`` keeps to itself (tests/e2e/test_arq_jobs.py
runs that one), or Celery."""
TRANSLATED = ("README.zh-CN.md",)
"""Their blocks are those of another page: tests/house/test_translation.py."""


@dataclass(frozen=True)
class Reader:
    """Somebody with a terminal, an installed project and a running service."""

    folder: Path
    url: str
    env: Mapping[str, str]

    def follow(self, page: Page) -> subprocess.CompletedProcess[str]:
        """Do what the page says, in one shell that stops at the first failure."""
        steps = [step for block in page.blocks if (step := self._step(block))]
        script = "set -euo pipefail\n" + "\n".join(steps)
        return subprocess.run(
            ["bash", "-c", script.replace(DOCUMENTED_URL, self.url)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PAGE_SECONDS,
            check=False,
        )

    def _step(self, block: Block) -> str:
        if block.language == "python":
            name = written(block, self.folder)
            # Tests of the reader's own are run by the page's next command.
            return "" if name in (*MODULES, *ELSEWHERE) or name.startswith("test_") else f"python {name}.py"
        return block.text if block.language == "bash" else ""


def written(block: Block, folder: Path) -> str:
    """Write a program of a page to the file it names; returns the module's name."""
    match = FILE_NAME.match(block.text)
    assert match, f"begin the block with '# name.py':\n{block.text}"
    path = folder / f"{match[1]}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    return match[1].replace("/", ".")


def tools_in(folder: Path) -> Path:
    """A folder for PATH with ``taskrunner`` and ``python``, of this interpreter and this checkout."""
    tools = folder / "tools"
    tools.mkdir()
    starts = {"python": "", "taskrunner": " -c 'from service.cli.main import main; main()'"}
    for name, arguments in starts.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    return tools


@pytest_asyncio.fixture(scope="module")
async def reader(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    folder, port, processes = tmp_path_factory.mktemp("reader"), free_port(), Processes()
    programs = [block for page in pages() for block in page.blocks if block.language == "python"]
    assert {written(block, folder) for block in programs} >= set(MODULES)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TASKRUNNER_", "REDIS_"))}
    own.pop("DATABASE_URL", None)
    env = {
        **own,
        "PATH": f"{tools_in(folder)}:{own['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TASKRUNNER_URL": f"http://{LOOPBACK}:{port}",
        "TASKRUNNER_TASK_MODULES": ",".join(MODULES),
        "TASKRUNNER_OUTBOUND_ALLOW": LOOPBACK,
    }
    try:
        up = processes.start("taskrunner", "up", "--port", str(port), env=env, cwd=folder)
        await up.wait_for_line(r"ready in \d+\.\d s", timeout=START_SECONDS)
        yield Reader(folder, env["TASKRUNNER_URL"], env)
    finally:
        processes.reap_all()


RUNNABLE = [
    page
    for page in pages()
    if page.name not in TRANSLATED and any(block.language in {"bash", "python"} for block in page.blocks)
]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
async def test_what_a_page_says_works(page: Page, reader: Reader) -> None:
    done = reader.follow(page)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert '"type":"urn:taskrunner:problem' not in done.stdout


def test_the_pages_that_teach_are_among_them() -> None:
    expected = {"README.md", "docs/quickstart.md", "docs/api.md", "docs/cli.md", "docs/task-types.md"}
    assert expected <= {page.name for page in RUNNABLE}
