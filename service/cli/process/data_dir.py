"""The folder of one ``up``: locked while it runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.domain.errors import ConfigurationError


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold ``data_dir``, made if need be. The kernel lets go of it when this process ends, however it ends.

    Raises: ConfigurationError, naming the process that holds it, or why it cannot be used.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"--data-dir {data_dir} cannot be used: {error.strerror}") from None
    with os.fdopen(descriptor, "r+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = lock.read().strip() or "unknown"
            raise ConfigurationError(
                f"taskrunner up runs on {data_dir} already (pid {owner}): stop it, or name another --data-dir"
            ) from None
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield
