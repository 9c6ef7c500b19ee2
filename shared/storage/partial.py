"""One file on its way to its place. Every method blocks, and is called from threads.

A cancelled coroutine stops waiting for its thread, but the thread goes on: so a write or a commit
may still run when the discard does. The lock puts them in a row, and ``_abandoned`` makes whatever
comes after a discard do nothing.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


class Partial:
    """Bytes gathered in ``folder`` under a random name, until ``commit`` moves them to ``target``."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._source = folder / uuid4().hex
        self._target = target
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._lock = threading.Lock()
        self._abandoned = False
        self._committed = False

    def write(self, data: bytes | bytearray) -> None:
        with self._lock:
            if self._abandoned:
                return
            if self._file is None:
                self._source.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = self._source.open("xb", buffering=0)
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
            self._hash.update(data)

    def commit(self) -> str:
        """Make the file durable and visible; returns its SHA-256."""
        with self._lock:
            if self._abandoned or self._file is None:
                return ""
            os.fsync(self._file.fileno())
            self._file.close()
            self._target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._source.replace(self._target)
            self._committed = True
            # The name, too, must survive a power cut, and so must folders made just now.
            for folder in (self._target.parent, self._target.parent.parent):
                _sync_folder(folder)
            return self._hash.hexdigest()

    def discard(self) -> None:
        """Leave nothing behind, wherever the file had got to."""
        with self._lock:
            self._abandoned = True
            if self._file is None:
                return
            self._file.close()
            (self._target if self._committed else self._source).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
