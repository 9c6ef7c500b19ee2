"""Lines about jobs for the log: all of them while they are few, then some a second and a count of the rest.

Two lines a job cost three times the job itself.
"""

from __future__ import annotations

import logging
import time

LINES_A_SECOND = 100


class Pace:
    """Says which lines are written."""

    def __init__(self, logger: logging.Logger, limit: int = LINES_A_SECOND) -> None:
        self._logger = logger
        self._limit = limit
        self._second = 0
        self._written = 0
        self._left_out = 0

    def allows(self, level: int = logging.INFO) -> bool:
        """Whether to write one line now."""
        if not self._logger.isEnabledFor(level):
            return False
        second = int(time.monotonic())
        if second != self._second:
            self.tell()
            self._second, self._written = second, 0
        self._written += 1
        if self._written <= self._limit:
            return True
        self._left_out += 1
        return False

    def tell(self) -> None:
        """Say how many lines were left out since it was last said."""
        if self._left_out:
            self._logger.info("... and %d lines more like these", self._left_out)
            self._left_out = 0
