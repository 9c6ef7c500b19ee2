"""One question asked again and again, on a thread of its own: never twice at once, and not at all while paused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, Self, TypeVar

import service.client as sdk

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds without a byte after which the service counts as away."""
STOP_SECONDS = 1.0


class Watch(Generic[T]):
    """The newest answer and the newest trouble. A context manager; read it from any thread."""

    def __init__(self, url: str, ask: Callable[[sdk.Client], T], every: float, news: threading.Event) -> None:
        self._url = url
        self._ask = ask
        self._every = every
        self._news = news
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._wake = threading.Event()
        self._is_over = False
        # A daemon: whoever quits waits for no answer.
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.newest: T | None = None
        self.answered_at = monotonic()
        self.trouble: sdk.ClientError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._goes_on.set()
        self._wake.set()
        self._thread.join(STOP_SECONDS)

    @property
    def is_paused(self) -> bool:
        return not self._goes_on.is_set()

    def pause(self) -> None:
        """Ask nothing more."""
        self._goes_on.clear()

    def resume(self) -> None:
        """Ask at once, and then as before."""
        self._goes_on.set()
        self._wake.set()

    def _run(self) -> None:
        with sdk.Client(self._url, timeout=PATIENCE) as client:
            while not self._is_over:
                began = monotonic()
                self._look(client)
                self._wake.wait(max(0.0, began + self._every - monotonic()))
                self._goes_on.wait()
                self._wake.clear()

    def _look(self, client: sdk.Client) -> None:
        try:
            self.newest = self._ask(client)
            self.answered_at, self.trouble = monotonic(), None
        except sdk.ClientError as error:
            self.trouble = error
        self._news.set()
