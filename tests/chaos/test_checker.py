"""The checker itself: a history without a fault passes, and each planted fault is found by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.checker import violations
from tests.support.facts import Attempt, Call, Effect, Evidence, Row

TASK = "0190-task"


def call(verb: str, code: int | None, /, **given: Any) -> Call:
    """An answer to ``verb``; what is no field of a call is of the task it shows."""
    names = ("key", "retry_after", "asked_at", "answered_at", "queue")
    known = {name: given.pop(name) for name in names if name in given}
    task = {"id": TASK, "status": "PENDING", "generation": 1, **given} if code in {200, 201, 202} else {}
    times = {"asked_at": 1.0, "answered_at": 2.0, **known}
    return Call(verb, status=code, body=task, task_id=None if verb == "submit" else TASK, **times)


def effects(run: str, *, attempt: int = 1, at: float = 100.5, pid: int = 7) -> list[Effect]:
    return [Effect(what, TASK, attempt, pid, at, "k", run) for what in ("start", "end")]


def completed() -> Evidence:
    """One task that was lost with its worker, ran again, and completed."""
    lost = Attempt(version=2, attempt=1, generation=1, outcome="lost", started_at=90.0)
    row = Row(
        TASK,
        "COMPLETED",
        5,
        1,
        4,
        1,
        outcome="completed",
        result="b",
        started_at=100.0,
        key="k",
        pid=7,
        attempts=[lost],
    )
    calls = [
        call("submit", 201, key="k"),
        call("get", 200, status="COMPLETED", result={"text": "b"}, asked_at=8.0, answered_at=9.0),
    ]
    return Evidence(calls, [effects("a", at=90.5)[0], *effects("b")], [row])


def with_row(**changes: Any) -> Evidence:
    base = completed()
    return replace(base, rows=[replace(base.rows[0], **changes)])


def with_calls(*more: Call) -> Evidence:
    base = completed()
    return replace(base, calls=[*base.calls, *more])


def with_ledger(*more: Effect) -> Evidence:
    base = completed()
    return replace(base, ledger=[*base.ledger, *more])


def found(evidence: Evidence) -> set[str]:
    return {violation.rule for violation in violations(evidence)}


def test_a_history_without_a_fault_passes() -> None:
    assert violations(completed()) == []


def test_an_outage_told_as_503_with_retry_after_passes() -> None:
    assert violations(with_calls(call("get", 503, retry_after="2"), call("get", None))) == []


def gate(verb: str, asked_at: float, answered_at: float, queue: str = "q", status: int | None = 200) -> Call:
    return Call(verb, asked_at, answered_at, status, queue=queue)


def paused(*gates: Call) -> Evidence:
    """The task's runs began at 90 and 100 by the database's clock, which is 10 ahead of the client's."""
    return replace(with_row(queue="q"), calls=[*completed().calls, *gates], offset=10.0)


@pytest.mark.parametrize(
    "gates",
    [
        [gate("pause", 89.5, 90.5)],
        [gate("pause", 70, 71), gate("resume", 79, 81)],
        [gate("pause", 70, 71), gate("resume", 69, 70.5)],
        [gate("pause", 70, 71), gate("resume", 60, 65, status=None)],
        [gate("pause", 70, 71, "another")],
        [gate("pause", 70, 71, status=404)],
        [gate("pause", 91, 92)],
    ],
    ids=[
        "under way",
        "resumed",
        "raced by a resume",
        "a resume without an answer",
        "another queue",
        "refused",
        "later",
    ],
)
def test_a_run_that_a_pause_allows_passes(gates: list[Call]) -> None:
    assert "ran_while_paused" not in found(paused(*gates))


def failed_once(generation: int) -> list[Attempt]:
    return [Attempt(3, 1, 1, "failed", 80.0), Attempt(5, 1, generation, "lost", 90.0)]


PLANTED: dict[str, tuple[str, Callable[[], Evidence]]] = {
    "an accepted task has no row": (
        "lost",
        lambda: replace(completed(), rows=[], ledger=[], calls=[call("submit", 201)]),
    ),
    "a task never ends": ("unended", lambda: with_row(status="RETRYING", started_at=None, result=None)),
    "a key made two tasks": ("duplicate_key", lambda: with_calls(call("submit", 201, key="k", id="another"))),
    "two rows hold one key": (
        "duplicate_key",
        lambda: replace(completed(), rows=[*completed().rows, replace(completed().rows[0], id="another", result=None)]),
    ),
    "a bare 500": ("bare_5xx", lambda: with_calls(call("get", 500))),
    "a 503 that names no time": ("bare_5xx", lambda: with_calls(call("get", 503))),
    "a 502": ("bare_5xx", lambda: with_calls(call("get", 502, retry_after="1"))),
    "an end was written over": ("double_end", lambda: with_row(version=6)),
    "a record follows an end": ("double_end", lambda: with_row(attempts=failed_once(1), version=7)),
    "a completed run went on": (
        "double_end",
        lambda: with_row(attempts=[Attempt(2, 1, 1, "completed", 90.0)]),
    ),
    "a client saw another end": ("double_end", lambda: with_calls(call("get", 200, status="FAILED"))),
    "a client saw another result": (
        "double_end",
        lambda: with_calls(call("get", 200, status="COMPLETED", result={"text": "a"})),
    ),
    "a client saw it wait after its end": (
        "illegal_move",
        lambda: with_calls(call("get", 200, status="PROCESSING", asked_at=10.0, answered_at=11.0)),
    ),
    "an attempt was skipped": ("illegal_move", lambda: with_row(attempt=2)),
    "an attempt was counted for a lost run": (
        "illegal_move",
        lambda: with_row(attempts=[Attempt(2, 1, 1, "lost", 90.0), Attempt(4, 2, 1, "lost", 95.0)], version=7),
    ),
    "a run ended that was not claimed": (
        "illegal_move",
        lambda: with_row(attempts=[Attempt(2, 1, 1, "lost", 90.0), Attempt(3, 1, 1, "lost", 95.0)], version=7),
    ),
    "a generation nobody asked for": (
        "illegal_move",
        lambda: with_row(generation=2, attempts=failed_once(2), version=8),
    ),
    "too many attempts": ("attempts", lambda: with_row(max_attempts=0)),
    "a handler ran unclaimed": ("starts", lambda: with_ledger(effects("c")[0])),
    "a handler ran for no row": ("starts", lambda: with_ledger(replace(effects("c")[0], task_id="another"))),
    "a stale result": ("stale_result", lambda: with_row(result="a")),
    "a stale result of a run that ended": (
        "stale_result",
        lambda: replace(with_row(result="a"), ledger=[*effects("a", at=90.5), *effects("b")]),
    ),
    "a result nobody made": ("stale_result", lambda: with_row(result="x")),
    "a result by another worker": ("stale_result", lambda: with_row(pid=8)),
    "cancelled with 200, and it completed": (
        "untrue_answer",
        lambda: with_calls(call("cancel", 200, status="CANCELLED")),
    ),
    "cancelled with 202, and it ran again": (
        "untrue_answer",
        lambda: with_calls(call("cancel", 202, status="PROCESSING", started_at="1970-01-01T00:01:30Z")),
    ),
    "it ran while its queue was paused": ("ran_while_paused", lambda: paused(gate("pause", 70, 71))),
    "it ran after a later pause": (
        "ran_while_paused",
        lambda: paused(gate("pause", 60, 61), gate("resume", 62, 63), gate("pause", 82, 83)),
    ),
    "another queue was resumed": (
        "ran_while_paused",
        lambda: paused(gate("pause", 70, 71), gate("resume", 72, 73, "another")),
    ),
    "retried with 200, and it was not": ("untrue_answer", lambda: with_calls(call("retry", 200, generation=2))),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found(planted: str) -> None:
    rule, evidence = PLANTED[planted]
    assert rule in found(evidence())
