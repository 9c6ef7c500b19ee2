"""A memory limit past which the kernel ends the largest of real processes: a control group of a test's own."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.control_group import FILES

GROUPS = Path("/sys/fs/cgroup")
NEEDED = "no control group with a memory limit could be made ({}): this test takes root and a writable /sys/fs/cgroup"
EMPTY_SECONDS = 10.0


@dataclass(frozen=True)
class MemoryLimit:
    """Processes that share an allowance. Their children are born into it."""

    group: Path

    def hold(self, pid: int) -> None:
        (self.group / "cgroup.procs").write_text(str(pid))

    def tighten(self, share: float) -> None:
        """Allow so little that what the group takes now is ``share`` of it."""
        for limit, used, cache in FILES:
            if (self.group / limit).exists():
                idle = re.search(rf"^{cache} (\d+)", (self.group / "memory.stat").read_text(), re.MULTILINE)
                taken = int((self.group / used).read_text()) - (int(idle[1]) if idle else 0)
                (self.group / limit).write_text(str(round(taken / share)))

    @property
    def kills(self) -> int:
        """How many processes the kernel has ended in it."""
        for name in ("memory.events", "memory.oom_control"):
            if (said := self.group / name).exists():
                found = re.search(r"^oom_kill (\d+)", said.read_text(), re.MULTILINE)
                return int(found[1]) if found else 0
        raise AssertionError("the kernel counts no OOM kills")


@contextmanager
def memory_limit(name: str, mebibytes: int) -> Iterator[MemoryLimit]:
    """A group of that allowance, in version 1 or 2 of control groups; gone with the block, and all in it."""
    group, limit = _place(name)
    try:
        group.mkdir()
        (group / limit).write_text(str(mebibytes * 1_048_576))
    except OSError as error:
        pytest.fail(NEEDED.format(error))
    try:
        yield MemoryLimit(group)
    finally:
        _remove(group)


def _place(name: str) -> tuple[Path, str]:
    """The folder of the group to make, and the file of its limit."""
    if (GROUPS / "memory").is_dir():
        return GROUPS / "memory" / name, "memory.limit_in_bytes"
    return GROUPS / name, "memory.max"


def _remove(group: Path) -> None:
    """End what is left in it, and take it away."""
    deadline = time.monotonic() + EMPTY_SECONDS
    while True:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            group.rmdir()
        except OSError:
            assert time.monotonic() < deadline, "processes are left in the group"
            time.sleep(0.05)
        else:
            return
