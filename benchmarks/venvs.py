"""Virtual environments of the libraries compared with, in a cache outside the tree: BENCH_CACHE, made on first use."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Sequence
from pathlib import Path

DEFAULT_CACHE = Path.home() / ".cache" / "taskrunner-bench"
MAKE_LIMIT_S = 300.0


def cache() -> Path:
    return Path(os.environ.get("BENCH_CACHE") or DEFAULT_CACHE)


async def environment(name: str, packages: Sequence[str], tell: Callable[[str], None]) -> Path:
    """The python of an environment that holds exactly the pinned ``packages``; ours where there are none.

    A list that changed makes it anew. Raises: RuntimeError, with what pip said; TimeoutError.
    """
    if not packages:
        return Path(sys.executable)
    folder, wanted = cache() / name, "\n".join(packages)
    pinned, python = folder / "pinned.txt", folder / "bin" / "python"
    if not (pinned.exists() and pinned.read_text(encoding="utf-8") == wanted):
        tell(f"making an environment for {name} (once)")
        shutil.rmtree(folder, ignore_errors=True)
        await _run(sys.executable, "-m", "venv", str(folder))
        await _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        pinned.write_text(wanted, encoding="utf-8")
    return python


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(MAKE_LIMIT_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[-4:])}: {said.decode(errors='replace')[-600:]}")
