"""Ties a child's life to its parent's: set the parent-death signal, then become the command.

Run as a file by ``python -I -S`` (10 ms, needs no package on the path). It is an exec wrapper because the request is
cleared by a change of user, so it must come after ``setpriv``, and because ``preexec_fn`` is unsafe beside threads.
Linux only: elsewhere the command simply runs, and outlives a parent that is killed with -9.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(argv: Sequence[str], death_signal: signal.Signals) -> tuple[str, ...]:
    """``argv`` wrapped so that ``death_signal`` reaches it when this process ends, however it ends.

    The kernel watches the thread that forks: start the child from one that lives as long as the process.
    """
    return (sys.executable, "-I", "-S", __file__, str(int(death_signal)), str(os.getpid()), *argv)


def die_with_parent(death_signal: int, parent_pid: int) -> None:
    """Ask the kernel for ``death_signal`` at the parent's death; ends this process if it is dead already."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # A parent that died before the request sends no signal; its child belongs to somebody else by then.
    if os.getppid() != parent_pid:
        raise SystemExit(1)


def main() -> None:
    death_signal, parent_pid, *argv = sys.argv[1:]
    die_with_parent(int(death_signal), int(parent_pid))
    os.execvp(argv[0], argv)  # noqa: S606 # nosec B606 # becoming the command we were given is this file's purpose


if __name__ == "__main__":
    main()
