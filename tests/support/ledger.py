"""The effects ledger: one line for each start and each end of a run, in a file outside every store.

Only the standard library: programs in other virtual environments write to it, too.
"""

from __future__ import annotations

import json
import os
import time


def write(ledger: str, what: str, task_id: str, attempt: int, key: str, token: str, pid: int | None = None) -> None:
    """Append a line. ``token`` names the run, ``pid`` its process where that is not this one."""
    line = json.dumps([what, task_id, attempt, pid or os.getpid(), time.time(), key, token]) + "\n"
    # One write of one line to a file opened for appending: lines of many processes never mix.
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
