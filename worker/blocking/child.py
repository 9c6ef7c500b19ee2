"""``python -m worker.blocking.child FD``: serves one run after another over the socket ``FD``.

Started by ``remote``, never by hand. Runs handlers in its main thread, as a program of its own
would: signals, asyncio.run and C libraries work as usual. Keep its imports few.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.domain.errors import ConfigurationError
from shared.registry import Registry, discover
from worker.blocking.bridged import BridgedRun, Facts
from worker.blocking.carried import facts_of
from worker.blocking.handling import dump, handle, load
from worker.blocking.served import ChildLink, Pipe

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the worker goes away."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # programs a handler starts must not hold the pipe open
    _die_with_parent()
    _die_before_parent()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a print is seen even if the run is killed
    pipe = Pipe(socket.socket(fileno=descriptor))
    _, path, task_modules, memory_mb = pipe.receive()
    sys.path[:] = path
    if memory_mb is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 1_048_576,) * 2)
    try:
        registry = discover(task_modules)
    except ConfigurationError as error:
        pipe.send("unfit", str(error))
        sys.exit(1)
    home = os.open(".", os.O_RDONLY)
    pipe.listen()
    pipe.send("ready")
    while True:
        _serve(pipe, registry, *pipe.jobs.get())
        os.fchdir(home)  # a handler may have gone to a directory that is no more


def _die_before_parent() -> None:
    """Where memory runs out, the kernel is to end the largest child, not the worker with all its runs."""
    with suppress(OSError):  # no Linux, or no /proc
        Path("/proc/self/oom_score_adj").write_text("1000")


def _serve(pipe: Pipe, registry: Registry, task_type: str, data: bytes, facts: list[Any]) -> None:
    pipe.link = link = ChildLink(pipe)
    pipe.send("started")
    try:
        definition = registry.get(task_type)
        run = BridgedRun(_facts_from(*facts), link)
        output = dump(handle(definition, run, load(definition.input_model, data)))
        link.end()
        pipe.send("done", output)
    except BaseException as error:  # noqa: BLE001 - a handler's sys.exit() is a failed run, not our end
        link.end()
        pipe.send("failed", facts_of(error))
    finally:
        pipe.link = None


def _facts_from(task_id: UUID, attempt: int, max_attempts: int, idempotency_key: str) -> Facts:
    return Facts(task_id, attempt, max_attempts, idempotency_key)


def _die_with_parent() -> None:
    """Have the kernel end us with the worker, too: C code that holds the GIL stops our reader."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - 5 ms, on Linux alone

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
