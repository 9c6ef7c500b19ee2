"""What the service knows, offered to a shell that completes a word: names and recent ids.

A person is typing: whoever does not answer at once is not waited for, and nothing is ever said about it. What a shell
would read as more than a word is not offered: names are given by users of the service.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice

import typer

import service.client as sdk
from service.client.errors import ClientError
from shared.domain.states import FINAL, WAITING, Status

PATIENCE = 0.5
"""Seconds, for connecting, asking again and reading together."""
MOST = 20
HARMLESS = re.compile(r"[\w@+][\w.@+-]*", re.ASCII)

Word = tuple[str, str]
"""A value, and what stands beside it where the shell has room."""

MEANT: dict[str | None, Iterable[str]] = {
    "cancel": (*WAITING, Status.PROCESSING),
    "watch": (*WAITING, Status.PROCESSING),
    "retry": (Status.FAILED, Status.CANCELLED),
    "delete": FINAL,
}
"""Command → the states of the tasks it is for; absent: any."""


def statuses(incomplete: str) -> list[str]:
    """States of a task, in the letters that were begun with."""
    return [str(status).lower() if incomplete.islower() else str(status) for status in Status]


def task_types() -> list[Word]:
    return _asked(lambda client: ((kind.name, kind.queue) for kind in client.task_types()))


def queues() -> list[Word]:
    return _asked(lambda client: ((queue.name, f"{queue.waiting} wait") for queue in client.queues()))


def workers() -> list[Word]:
    return _asked(lambda client: ((worker.id, worker.state) for worker in client.workers()))


def schedules() -> list[Word]:
    return _asked(lambda client: ((one.name, one.type) for one in client.schedules()))


def workflows() -> list[Word]:
    return _asked(lambda client: ((one.id, one.status) for one in islice(client.workflows(page_size=MOST), MOST)))


def operations() -> list[Word]:
    return _asked(lambda client: ((one.id or "", one.action) for one in islice(client.operations(), MOST)))


def keys() -> list[Word]:
    return _asked(lambda client: ((key.id, key.name) for key in list(client.keys())))


def tasks(ctx: typer.Context) -> list[Word]:
    """The newest of those that the command is for."""
    meant = [str(status) for status in MEANT.get(ctx.info_name, ())]
    return _asked(
        lambda client: (
            (task.id, f"{task.status} {task.type}")
            for task in islice(client.list(page_size=MOST, status=meant or None), MOST)
        )
    )


def _asked(ask: Callable[[sdk.Client], Iterable[Word]]) -> list[Word]:
    """What came in time."""
    found: list[Word] = []
    make = sdk.Client  # loaded here: that takes its time, too, and is none of the service's

    def work() -> None:
        with suppress(ClientError), make(timeout=PATIENCE) as client:
            found.extend(ask(client))

    # On a thread that is left behind: each of its waits has its own limit, and their sum has none.
    asking = threading.Thread(target=work, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return [(word, _beside(told)) for word, told in list(found) if HARMLESS.fullmatch(word)]


def _beside(told: str) -> str:
    return " ".join(re.findall(HARMLESS, told))
