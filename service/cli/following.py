"""A task followed to its end: what it says on stdout as it comes, and on stderr where it stands; or its events as JSON.

A stream that breaks is taken up by the client; nothing of that is seen here.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import service.client as sdk
from service.cli.live import Shown, as_lines, shown_live
from service.cli.output import Form, complain, err, json_text, note
from service.cli.spoken import Spoken
from service.cli.views import seconds

if TYPE_CHECKING:
    from service.client.events import Event
    from service.client.models import Task


def follow(client: sdk.Client, task: Task, form: Form, timeout: float | None = None) -> tuple[Task, bool]:
    """The final task, and whether it said anything. Raises: WaitTimedOut.

    What it says goes to stdout; a form for programs keeps that for the task alone, and it goes to stderr.
    """
    stream = sys.stdout if form is Form.TABLE else sys.stderr
    said = Spoken(stream)
    # On one screen; or in one file, as far as anybody can tell.
    is_shared = stream is sys.stderr or sys.stdout.isatty() == sys.stderr.isatty()
    with _Way(said, is_shared=is_shared) as way:
        # Not as it stands now: the stream tells its states from the first one on, at once.
        for event in client.events(task.id, timeout=timeout):
            match event.event:
                case "output":
                    way.make_room()
                    said.hear(event.delta)
                case "gap":
                    said.end_line()
                    note(f"some of what it said was lost; its result has all of it: taskrunner get {task.id}")
                case _:
                    task = _after(task, event)
                    way.show(task, is_turn=event.event != "progress")
    return task, said.has_begun


def tell_events(client: sdk.Client, task_id: str, timeout: float | None = None) -> Task | None:
    """Print each event as one line of JSON, the last of which has the final task. Raises: WaitTimedOut."""
    final = None
    for event in client.events(task_id, timeout=timeout):
        print(json_text(event.document()), flush=True)
        final = event.task or final
    return final


def tell_end(task: Task) -> None:
    """What a task that spoke has left to say."""
    if task.error is not None and not task.is_completed:
        complain(f"{task.error.type}: {task.error.message}")
    took = f" in {seconds(task.duration)} s" if task.duration is not None else ""
    note(f"{task.status}{took}: taskrunner get {task.id}")


class _Way:
    """Where the task stands, on stderr: a bar where a person looks, until it would stand where the task speaks."""

    def __init__(self, said: Spoken, *, is_shared: bool) -> None:
        self._said = said
        self._is_shared = is_shared
        self._bar = ExitStack()
        self._shown: Shown = as_lines(err())

    def __enter__(self) -> Self:
        self._shown = self._bar.enter_context(shown_live())
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._said.end_line()

    def make_room(self) -> None:
        """It is about to speak."""
        if self._is_shared and not self._said.has_begun:
            self._bar.close()
            self._shown = as_lines(err())

    def show(self, task: Task, *, is_turn: bool = True) -> None:
        """``is_turn``: it is in another state; else it is only farther on, which does not break into its words."""
        if is_turn:
            self._said.end_line()
        if self._is_shared and self._said.has_begun and (task.is_final or not is_turn):
            return  # of its end ``tell_end`` has more to say
        self._shown(task.type, task)


def _after(task: Task, event: Event) -> Task:
    """The task as it stands after the event, as far as it is shown."""
    match event.event:
        case "end":
            return event.task or task
        case "status":
            news = {"status": event.data["status"], "attempt": event.data["attempt"], "progress": None}
            return task.model_copy(update=news)
        case "progress":
            return type(task).model_validate({**task.document(), "progress": event.data})
        case _:
            return task
