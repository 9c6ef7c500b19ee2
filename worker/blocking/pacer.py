"""Thins out a flood of values of which only the newest counts, such as progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from worker.blocking.errors import RunEnded

# A person cannot see more, and a loop of a million steps costs the worker 20 messages a second.
PROGRESS_INTERVAL_S = 0.05


class Pacer:
    """Sends a value at once, then at most one an interval: always the newest. Thread-safe."""

    def __init__(self, send: Callable[..., None], interval_s: float = PROGRESS_INTERVAL_S) -> None:
        self._send = send
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._newest: tuple[Any, ...] | None = None
        self._timer: threading.Timer | None = None

    def offer(self, *value: Any) -> None:
        """Send ``value``, now or when the interval is over, unless a newer one comes first."""
        with self._lock:
            self._newest = value
            if self._timer is None:
                self._send_newest()
                self._arm()

    def flush(self) -> None:
        """Send at once what is held back."""
        if self._newest is not None:
            with self._lock:
                self._send_newest()

    def close(self) -> None:
        """Forget what is held back, and the timer."""
        with self._lock:
            self._newest = None
            if self._timer is not None:
                self._timer.cancel()

    def _arm(self) -> None:
        self._timer = threading.Timer(self._interval_s, self._interval_over)
        self._timer.daemon = True
        self._timer.start()

    def _interval_over(self) -> None:
        with self._lock:
            self._timer = None
            if self._newest is None:
                return
            try:
                self._send_newest()
            except (RunEnded, OSError):
                return  # nobody listens any more; the handler's own next call says so
            self._arm()

    def _send_newest(self) -> None:
        value, self._newest = self._newest, None
        if value is not None:
            self._send(*value)
