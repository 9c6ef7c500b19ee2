"""``top`` in a terminal: draws when there is news, a key, or another second, and gives the terminal back as it was."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import NoReturn

from rich.live import Live

import service.client as sdk
from service.cli.exits import message_of
from service.cli.output import out
from service.cli.top.board import Board
from service.cli.top.frame import frame
from service.cli.top.keyboard import keyboard
from service.cli.top.snapshot import Snapshot, look, look_back
from service.cli.top.watching import PATIENCE, Watch

TICK = 0.2
"""Seconds a key may wait for nobody, and news for their drawing."""
REDRAW = 1.0
HOURLY_LOOK = 60.0
"""Seconds between two looks at the last hour, which reads every task of it."""


def run(url: str, seen: Snapshot, interval: float) -> None:
    """Show the service until q is pressed."""
    news = threading.Event()
    board = Board(seen, patience=max(PATIENCE, 3 * interval))
    console = out()
    with (
        Watch(url, look, interval, news) as looks,
        Watch(url, look_back, HOURLY_LOOK, news) as hours,
        _ended_by_signals(),
        keyboard() as pressed,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        drawn_at, keys = 0.0, list[str]()
        while True:
            if keys or news.is_set() or monotonic() - drawn_at >= REDRAW:
                news.clear()
                _update(board, looks, hours)
                live.update(frame(board, url, *console.size), refresh=True)
                drawn_at = monotonic()
            keys = pressed(TICK)
            if not all(board.press(key) for key in keys):
                return
            _obey(board, looks, hours)


def _update(board: Board, looks: Watch[Snapshot], hours: Watch[sdk.Stats | None]) -> None:
    if looks.newest is not None and not board.is_paused:
        board.take(looks.newest)
    board.hour = hours.newest or board.hour
    board.age = monotonic() - looks.answered_at
    board.trouble = None if looks.trouble is None else message_of(looks.trouble)


def _obey(board: Board, *watches: Watch[Snapshot] | Watch[sdk.Stats | None]) -> None:
    for watch in watches:
        if board.is_paused != watch.is_paused:
            (watch.pause if board.is_paused else watch.resume)()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Unwind on a signal that would end us in the middle of somebody's terminal."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
