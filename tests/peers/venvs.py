"""Each peer in a virtual environment of its own, outside the tree, with pinned versions; kept for the next time."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from pathlib import Path

CACHE = Path("~/.cache/taskrunner-bench")
INSTALL_SECONDS = 300.0
HAS_THEM = """
import importlib.metadata, sys
for pin in sys.argv[1:]:
    name, _, wanted = pin.partition("==")
    if importlib.metadata.version(name) != wanted:
        sys.exit(1)
"""


async def python_of(name: str, pins: Sequence[str], cache: Path) -> str:
    """The interpreter of the environment ``name``, made or mended where it lacks a pin. Raises: RuntimeError."""
    folder, is_made = _place(cache, name)
    python = str(folder / "bin" / "python")
    if is_made and await _said(python, "-c", HAS_THEM, *pins) is None:
        return python
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins)
    for argv in ((sys.executable, "-m", "venv", str(folder)), install):
        if said := await _said(*argv):
            raise RuntimeError(f"{name} could not be installed: {said}")
    return python


def _place(cache: Path, name: str) -> tuple[Path, bool]:
    folder = cache.expanduser() / name
    return folder, (folder / "bin" / "python").exists()


async def _said(*argv: str) -> str | None:
    """None where the command went well, else the end of what it said."""
    process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return None if process.returncode == 0 else out.decode(errors="replace")[-1_000:] or "it failed, and said nothing"
