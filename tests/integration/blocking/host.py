"""``python -m tests.integration.blocking.host LOOP HOW``: a worker to be killed; prints its child's pid."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.integration.blocking.live_run import LiveRun
from tests.support import blocking_tasks as tasks
from tests.support.blocking_tasks import Text
from worker.blocking import BlockingRunner


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Printing(LiveRun):
    def emit(self, delta: str) -> None:
        tell(delta)


async def main(how: str) -> None:
    runner = BlockingRunner(processes=1, task_modules=["tests.support.blocking_tasks"], threads=1)
    with tempfile.TemporaryDirectory() as directory:
        live = Printing(Path(directory))
        if how == "idle":
            await runner.run(tasks.talk, LiveRun(Path(directory)), Text())
            tell(str(runner.child_pids[0]))
            await asyncio.Event().wait()
        await runner.run(tasks.stuck, live, Text(text=how))


if __name__ == "__main__":
    (uvloop.run if sys.argv[1] == "uvloop" else asyncio.run)(main(sys.argv[2]))
