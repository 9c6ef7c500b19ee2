"""A supervisor over small children, run as a real process: ``python -m tests.support.supervised one=polite two=…``.

Children write their pid. They tell ``polite`` (says bye), ``stubborn`` (ignores SIGTERM), ``mortal`` (dies at once),
``parent`` (leaves a grandchild behind), ``mute`` (is never ready) and ``starved`` (dies while the file FULL exists,
which is the obstacle its supervisor sees). On SIGHUP a ``polite`` one is replaced by its like; a ``last`` one is
``polite``, and nobody can take its place.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from service.cli.process.child import Service, StartFailed
from service.cli.process.console import Console
from service.cli.process.supervisor import Interrupt, Supervisor
from shared.embedded.tether import tethered

HEAD = "import os, signal, subprocess, sys, time; name = sys.argv[1]; print('pid', os.getpid(), flush=True); "
POLITE = "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0))); time.sleep(60)"
PROGRAMS = {
    "polite": POLITE,
    "last": POLITE,
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
    "mortal": "sys.exit(3)",
    "parent": "print('grandchild', subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)",
    "mute": "time.sleep(60)",
    "starved": "os.path.exists(os.environ['FULL']) and sys.exit(1); print('fed', flush=True); time.sleep(60)",
}


def service(name: str, kind: str) -> Service:
    async def ready() -> None:
        if kind == "mute":
            await asyncio.sleep(0.2)
            raise TimeoutError("not a word")

    heirs = {"polite": "polite", "last": "mute"}
    successor = partial(service, name, heirs[kind]) if kind in heirs else None
    argv = tethered((sys.executable, "-c", HEAD + PROGRAMS[kind], name), signal.SIGKILL)
    grace = 1.0 if kind == "parent" else 20.0
    hindered = obstacle if kind == "starved" else lambda: None
    return Service(name, argv, os.environ, ready, grace=grace, obstacle=hindered, successor=successor)


def obstacle() -> str | None:
    return "the disk of there is full" if Path(os.environ["FULL"]).exists() else None


async def main() -> None:
    console = Console()
    interrupt = Interrupt(console)
    interrupt.listen()
    steps = [[service(*pair.split("="))] for pair in sys.argv[1:]]
    await Supervisor(console, interrupt).run(steps, lambda: console.note("all ready"))
    console.note("all stopped")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except StartFailed as error:
        sys.exit(f"failed: {error}")
