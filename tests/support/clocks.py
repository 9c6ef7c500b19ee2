"""The wall clock of processes under test, set by libfaketime: it jumps, as a clock does that somebody corrects.

Their monotonic clock goes on, as the kernel's does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from shared.embedded.postgres import Postgres
from shared.embedded.server import Command

NEEDED = "libfaketime is missing: apt-get install faketime (dnf install libfaketime). `make test` does without it"


def library() -> Path:
    """Where libfaketime is. Fails, and names the package, where it is not installed."""
    found = sorted([*Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), *Path("/usr").glob("lib*/faketime/*.so.1")])
    if not found:
        pytest.fail(NEEDED)
    return found[0]


class Clock:
    """A clock that ``jump`` sets off the real one, for every process started with ``env``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.jump(0)
        self.env = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "NO_FAKE_STAT": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: int) -> None:
        """From now on the clock is so many seconds ahead of the real one."""
        fresh = self._file.with_suffix(".fresh")
        fresh.write_text(f"{seconds:+d}\n", encoding="ascii")
        fresh.replace(self._file)  # whoever looks meanwhile sees the one or the other


@dataclass(frozen=True)
class PostgresByClock(Postgres):
    """PostgreSQL whose wall clock can be set."""

    clock: Clock | None = field(default=None, kw_only=True)

    def command(self) -> Command:
        command = super().command()
        return replace(command, env={**command.env, **(self.clock.env if self.clock else {})})
