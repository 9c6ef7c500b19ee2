"""The checker: does G hold? Every accepted task ended, once, by its owner, and no client was told nonsense.

Pure: it decides from plain data. ``tests/support/evidence.py`` gathers that from a client, a ledger and a database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby, pairwise

from shared.domain.states import FINAL
from tests.support.facts import Call, Evidence, Row, Violation

KEEPS_ATTEMPT = frozenset({"failed", "retried", "timed_out", "cancelled"})
"""Outcomes of runs that count as an attempt; lost and released ones cost none."""
ENDS_GENERATION = frozenset({"failed", "cancelled"})
"""Outcomes that only a final state has. A timed out or lost run may be the last one, or not."""
CLOCK_SLACK = 0.001
PAUSE_SLACK = 0.01
"""How exactly a client's time is known by the database's clock, in seconds."""


def violations(evidence: Evidence) -> list[Violation]:
    """Every breach of G. Empty: it held."""
    return [violation for rule in RULES for violation in rule(evidence)]


def _accepted_exists(evidence: Evidence) -> Iterator[Violation]:
    known = {row.id for row in evidence.rows}
    for call in evidence.calls:
        if call.verb == "submit" and call.status in {200, 201} and call.body["id"] not in known:
            yield Violation("lost", call.body["id"], f"accepted with {call.status}, and no row has it")


def _every_task_ended(evidence: Evidence) -> Iterator[Violation]:
    for row in evidence.rows:
        if row.status not in FINAL:
            yield Violation("unended", row.id, f"still {row.status}")


def _one_task_per_key(evidence: Evidence) -> Iterator[Violation]:
    answered: dict[str, set[str]] = defaultdict(set)
    for call in evidence.calls:
        if call.verb == "submit" and call.key and call.status in {200, 201}:
            answered[call.key].add(call.body["id"])
    for row in evidence.rows:
        if row.key:
            answered[row.key].add(row.id)
    for key, ids in answered.items():
        if len(ids) > 1:
            yield Violation("duplicate_key", key, f"made {len(ids)} tasks: {sorted(ids)}")


def _no_bare_5xx(evidence: Evidence) -> Iterator[Violation]:
    for call in evidence.calls:
        if call.status is None or call.status < 500:
            continue
        if call.status != 503 or not call.retry_after:
            detail = f"{call.status}, Retry-After {call.retry_after!r}: {dict(call.body)}"
            yield Violation("bare_5xx", call.task_id or call.key or call.verb, detail)


def _one_end_per_generation(evidence: Evidence) -> Iterator[Violation]:
    """By rows: no end was followed by anything but a person's retry. By clients: no end they saw changed."""
    for row in evidence.rows:
        ends = Counter(a.generation for a in row.attempts if a.outcome in ENDS_GENERATION)
        for generation, count in ends.items():
            if count > 1 or generation >= row.generation:
                yield Violation("double_end", row.id, f"generation {generation} ended, and went on")
        if any(a.outcome == "completed" for a in row.attempts):
            yield Violation("double_end", row.id, "COMPLETED is for good, and a record says it went on")
        if row.status == "COMPLETED" and row.generation == 1 and not row.cancel_requested:
            written = 1 + 2 * row.runs  # one insert; a claim and an end for each run
            if row.version != written:
                yield Violation("double_end", row.id, f"version {row.version}, its runs explain {written}")
    for task_id, generation, seen in _ends_seen(evidence):
        if len(seen) > 1:
            yield Violation("double_end", task_id, f"generation {generation} was seen to end as {sorted(seen)}")


def _ends_seen(evidence: Evidence) -> Iterator[tuple[str, int, set[str]]]:
    ends: dict[tuple[str, int], set[str]] = defaultdict(set)
    for call in evidence.calls:
        if "generation" in call.body and call.body["status"] in FINAL:
            result = (call.body.get("result") or {}).get("text")
            ends[call.body["id"], call.body["generation"]].add(f"{call.body['status']} {result}")
    for row in evidence.rows:
        if (row.id, row.generation) in ends:
            ends[row.id, row.generation].add(f"{row.status} {row.result}")
    for (task_id, generation), seen in ends.items():
        yield task_id, generation, seen


def _no_step_back(evidence: Evidence) -> Iterator[Violation]:
    """Whoever asks after an end was told is not told of an earlier state."""
    # A replayed submit answers what it answered first, so it shows no state.
    shown = [c for c in evidence.calls if "generation" in c.body and c.verb != "submit"]
    ended_at: dict[tuple[str, int], float] = {}
    for call in shown:
        if call.body["status"] in FINAL:
            at = (call.body["id"], call.body["generation"])
            ended_at[at] = min(ended_at.get(at, call.answered_at), call.answered_at)
    for call in shown:
        task_id, generation = call.body["id"], call.body["generation"]
        told = ended_at.get((task_id, generation))
        if told is not None and call.asked_at > told and call.body["status"] not in FINAL:
            yield Violation("illegal_move", task_id, f"{call.body['status']} after the end of generation {generation}")


def _only_legal_moves(evidence: Evidence) -> Iterator[Violation]:
    for row in evidence.rows:
        for problem in (*_numbering(row), *_versions(row)):
            yield Violation("illegal_move", row.id, problem)
        if row.generation > 1:
            retries = [c.status for c in evidence.calls if c.verb == "retry" and c.task_id == row.id]
            asked = sum(status is None or status == 200 or status >= 500 for status in retries)
            if row.generation - 1 > asked:
                yield Violation("illegal_move", row.id, f"generation {row.generation} after {asked} retries")


def _numbering(row: Row) -> Iterator[str]:
    """Attempts count from 1 in each generation; a lost or released one is given again."""
    for generation, records in groupby(row.attempts, key=lambda a: a.generation):
        expected = 1
        for record in records:
            if record.attempt != expected:
                yield f"generation {generation}: attempt {record.attempt} where {expected} was due"
            expected = record.attempt + (record.outcome in KEEPS_ATTEMPT)
        if generation == row.generation and row.status == "COMPLETED" and row.attempt != expected:
            yield f"COMPLETED as attempt {row.attempt} where {expected} was due"


def _versions(row: Row) -> Iterator[str]:
    """Between two ends of runs lie a claim and an end, at least."""
    for one, next_ in pairwise(row.attempts):
        if next_.version < one.version + 2 or next_.generation < one.generation:
            yield f"record {next_.version}/{next_.generation} follows {one.version}/{one.generation}"
    if row.version < 1 + 2 * row.runs:
        yield f"version {row.version} after {row.runs} runs"


def _attempts_are_bounded(evidence: Evidence) -> Iterator[Violation]:
    for row in evidence.rows:
        most = max([row.attempt, *(a.attempt for a in row.attempts)])
        if most > row.max_attempts:
            yield Violation("attempts", row.id, f"attempt {most} of {row.max_attempts}")


def _starts_are_claimed(evidence: Evidence) -> Iterator[Violation]:
    """A handler starts once for each claim, and never else."""
    starts = Counter(effect.task_id for effect in evidence.ledger if effect.what == "start")
    rows = {row.id: row for row in evidence.rows}
    for task_id, count in starts.items():
        allowed = rows[task_id].runs if task_id in rows else 0
        if count > allowed:
            yield Violation("starts", task_id, f"started {count} times, claimed {allowed} times")


def _result_is_the_owners(evidence: Evidence) -> Iterator[Violation]:
    """A result was made by the run that owned the row when it ended: begun by that claim, and ended."""
    started = {effect.run: effect for effect in evidence.ledger if effect.what == "start"}
    ended = {effect.run for effect in evidence.ledger if effect.what == "end"}
    for row in evidence.rows:
        if row.status != "COMPLETED" or row.result is None or row.started_at is None:
            continue
        run = started.get(row.result)
        if run is None or row.result not in ended or run.task_id != row.id:
            yield Violation("stale_result", row.id, f"no run of it ended with {row.result}")
        elif run.at < row.started_at - CLOCK_SLACK or run.attempt != row.attempt:
            yield Violation("stale_result", row.id, f"its result is that of an earlier run: {run}")
        elif row.pid is not None and not row.losses and run.pid != row.pid:
            yield Violation("stale_result", row.id, f"its result is by pid {run.pid}, its owner is {row.pid}")


def _answers_hold(evidence: Evidence) -> Iterator[Violation]:
    """What a cancel or a retry was answered is what became of the task."""
    rows = {row.id: row for row in evidence.rows}
    for call in evidence.calls:
        row = rows.get(call.task_id or "")
        if row is None or call.status not in {200, 202} or call.verb not in {"cancel", "retry"}:
            continue
        generation = call.body["generation"]
        if row.generation < generation:
            yield Violation("untrue_answer", row.id, f"{call.verb}: generation {generation}, now {row.generation}")
        if call.verb == "cancel" and call.status == 200 and row.generation == generation and row.status != "CANCELLED":
            yield Violation("untrue_answer", row.id, f"cancelled with 200, and is {row.status}")
        if call.verb == "cancel" and call.status == 202 and row.generation == generation:
            yield from _ran_on(row, generation, datetime.fromisoformat(call.body["started_at"]).timestamp())


def _ran_on(row: Row, generation: int, started_at: float) -> Iterator[Violation]:
    """After a 202 the run may end as it likes; another may not begin."""
    starts = [a.started_at for a in row.attempts if a.generation == generation]
    if row.started_at is not None:
        starts.append(row.started_at)
    if any(start > started_at + CLOCK_SLACK for start in starts):
        yield Violation("untrue_answer", row.id, "its run was to be cancelled, and another began")


def _paused_gives_nothing(evidence: Evidence) -> Iterator[Violation]:
    """After the 200 of a pause no run of that queue begins, until somebody asks for a resume."""
    pauses = [c for c in evidence.calls if c.verb == "pause" and c.status == 200]
    resumes = [c for c in evidence.calls if c.verb == "resume"]
    for row in evidence.rows:
        for at in (start - evidence.offset for start in row.starts):
            before = [p for p in pauses if p.queue == row.queue and at > p.answered_at + PAUSE_SLACK]
            for pause in before:
                if not any(_may_have_ended(pause, resume, at) for resume in resumes):
                    detail = f"begun {at - pause.answered_at:.3f} s after the 200 of a pause of {row.queue}"
                    yield Violation("ran_while_paused", row.id, detail)


def _may_have_ended(pause: Call, resume: Call, at: float) -> bool:
    """Whether ``resume`` may have come after ``pause``, and before ``at``. One without an answer may come late."""
    is_later = resume.status is None or resume.answered_at >= pause.asked_at
    return resume.queue == pause.queue and is_later and resume.asked_at <= at + PAUSE_SLACK


RULES: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (
    _accepted_exists,
    _every_task_ended,
    _one_task_per_key,
    _no_bare_5xx,
    _one_end_per_generation,
    _no_step_back,
    _only_legal_moves,
    _attempts_are_bounded,
    _starts_are_claimed,
    _result_is_the_owners,
    _answers_hold,
    _paused_gives_nothing,
)
