"""The table of states, and the migration's copy of it."""

from __future__ import annotations

import importlib

from shared.domain.states import FINAL, MOVES, STORED, WAITING, Status


def test_stored_states_and_the_table_are_the_same_set() -> None:
    assert set(MOVES) == STORED
    assert Status.SCHEDULED not in set().union(*MOVES.values())


def test_every_state_is_waiting_running_or_final_and_only_one_of_them() -> None:
    assert not WAITING & FINAL
    assert set(Status) - WAITING - FINAL == {Status.PROCESSING}
    for status in Status:
        assert status.is_waiting == (status in WAITING)
        assert status.is_final == (status in FINAL)


def test_only_a_claim_starts_and_only_a_start_completes() -> None:
    assert {source for source, targets in MOVES.items() if Status.PROCESSING in targets} == WAITING & STORED
    assert [source for source, targets in MOVES.items() if Status.COMPLETED in targets] == [Status.PROCESSING]


def test_a_completed_task_never_moves_and_a_person_may_send_the_other_ends_back() -> None:
    assert MOVES[Status.COMPLETED] == set()
    for status in FINAL - {Status.COMPLETED}:
        assert MOVES[status] == {Status.PENDING}


def test_every_state_can_be_reached_and_every_state_can_end() -> None:
    assert reached_from(Status.PENDING) == STORED
    for status in STORED:
        assert reached_from(status) & FINAL


def test_the_migration_holds_the_same_table() -> None:
    migration = importlib.import_module("shared.db.migrations.versions.0001_first")
    moves = {f"{source}>{target}" for source, targets in MOVES.items() for target in targets}
    assert set(migration.LEGAL_MOVES) == moves


def reached_from(start: Status) -> set[Status]:
    found = {start}
    while new := {target for status in found for target in MOVES[status]} - found:
        found |= new
    return found
