"""A small disk of a test's own, filled for real: a tmpfs, so it takes root and the right to mount."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.embedded.account import give
from shared.embedded.postgres import Postgres

BLOCK = bytes(1_048_576)
NEEDED = (
    "a small disk could not be mounted ({}). The tests of full disks need root with CAP_SYS_ADMIN"
    " (docker run --privileged, say); `make test` does without them"
)


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system. ``fill`` and ``free`` may follow each other as often as one likes."""

    path: Path

    def fill(self) -> None:
        """Leave not a byte."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while True:
                ballast.write(BLOCK)
        assert os.statvfs(self.path).f_bavail == 0

    def free(self) -> None:
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"


@contextmanager
def small_disk(path: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Mount a tmpfs of that size at ``path``. Fails, and names what is needed, where that is not allowed."""
    path.mkdir(parents=True)
    options = f"size={mebibytes}m,mode=0755"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True, capture_output=True, timeout=10
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
        pytest.fail(NEEDED.format(said))
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a server that a failed test left may take a moment to end.
        subprocess.run(["umount", "--lazy", path], check=True, timeout=10)


def move_log(server: Postgres, place: Path) -> None:
    """Make the cluster, and put its log (pg_wal) in ``place``: on another disk, as operators do."""
    server.prepare()
    log = server.data_dir / "cluster" / "pg_wal"
    shutil.copytree(log, place, dirs_exist_ok=True)
    shutil.rmtree(log)
    log.symlink_to(place)
    give(place)
