"""Lines about what goes as it should: under load they would cost three times what the work does. A ration."""

from __future__ import annotations

import time

LINES_PER_SECOND = 100


class Ration:
    """At most ``per_second`` lines in any second; ``left_out`` counts the others."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._written = 0
        self.left_out = 0

    def may_write(self) -> bool:
        """Whether one more line may be written now."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written >= self._per_second:
            self.left_out += 1
            return False
        self._written += 1
        return True


routine = Ration(LINES_PER_SECOND)
"""Of this worker: its tasks share it."""
