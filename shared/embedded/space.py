"""Whether the disks a server writes to have room: the one obstacle to its start that passes without us."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

MEBIBYTE = 1_048_576


def full_disk(folders: Iterable[Path], least: int) -> str | None:
    """Which folder lies on a disk with less than ``least`` bytes for us, as one line for a person; None: none does.

    A quota is not seen here: whoever meets one gets the server's own lines alone.
    """
    for folder in folders:
        try:
            disk = os.statvfs(folder)
        except OSError:  # not made yet, or gone: its server says that better
            continue
        free = disk.f_bavail * disk.f_frsize
        if free < least:
            return f"the disk of {folder.resolve()} is full ({free / MEBIBYTE:.1f} MiB free)"
        if disk.f_files and not disk.f_favail:
            return f"the disk of {folder.resolve()} is full (no inode free)"
    return None
