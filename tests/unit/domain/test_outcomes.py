"""What is kept of an error: facts that any error, however broken, can be stored with."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import (
    ConfigurationError,
    Fatal,
    InputRefused,
    ProviderUnavailable,
    Retry,
    TaskRunnerError,
    describe,
)
from shared.domain.outcomes import failure_of

ANY_TEXT = st.text(st.characters(exclude_categories=()))


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@given(ANY_TEXT, st.integers(min_value=1, max_value=200))
def test_a_description_can_be_stored_and_stays_within_its_limit(text: str, limit: int) -> None:
    described = describe(text, limit)
    assert len(described) <= limit
    assert "\x00" not in described
    described.encode()


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=100))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert describe(text) == text


def test_what_had_to_go_stays_visible() -> None:
    assert describe("a\x00b") == "a\\x00b"
    assert describe("a\ud800b") == "a\\ud800b"
    assert describe("x" * 10, limit=5) == "xxxx…"


def test_an_error_that_cannot_be_shown_is_still_told_of() -> None:
    facts = failure_of(Mute("x"))
    assert facts.type == "Mute"
    assert "without a readable message" in facts.message
    json.dumps([facts.message, facts.traceback])


@given(ANY_TEXT)
def test_any_message_becomes_facts_that_can_be_stored(text: str) -> None:
    facts = failure_of(RuntimeError(text))
    for kept in (facts.message, facts.traceback or ""):
        assert "\x00" not in kept
        kept.encode()
    assert facts.message


def test_a_huge_message_is_cut_and_the_traceback_keeps_its_tail() -> None:
    try:
        raise RuntimeError("start" + "x" * 1_000_000 + "end")
    except RuntimeError as error:
        facts = failure_of(error)
    assert len(facts.message) == 2_000
    assert facts.message.startswith("start")
    assert facts.traceback is not None
    assert len(facts.traceback) <= 16_000
    assert facts.traceback.endswith("end\n")


def test_an_error_without_a_message_is_known_by_its_class() -> None:
    assert failure_of(KeyError()).message == "KeyError"


def test_the_lineage_names_the_class_and_its_bases_most_derived_first() -> None:
    lineage = failure_of(ConnectionRefusedError()).lineage
    assert lineage[:3] == ("builtins.ConnectionRefusedError", "builtins.ConnectionError", "builtins.OSError")


def test_only_errors_of_ours_ask_for_a_wait() -> None:
    theirs = RuntimeError("mine has the same attribute")
    theirs.retry_after = timedelta(seconds=5)  # type: ignore[attr-defined]
    assert failure_of(theirs).retry_after is None
    assert failure_of(ProviderUnavailable(retry_after=timedelta(seconds=5))).retry_after == timedelta(seconds=5)
    assert failure_of(Retry(delay=2.5)).retry_after == timedelta(seconds=2.5)


def test_the_markers_follow_the_class() -> None:
    assert (failure_of(Fatal()).is_fatal, failure_of(Fatal()).is_deferral) == (True, False)
    assert (failure_of(Retry()).is_fatal, failure_of(Retry()).is_deferral) == (False, True)
    assert not failure_of(ValueError()).is_fatal


def test_a_cause_is_in_the_traceback() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as cause:
            raise RuntimeError("second") from cause
    except RuntimeError as error:
        traceback = failure_of(error).traceback
    assert traceback is not None
    assert traceback.index("first") < traceback.index("second")


def tree(of: type[TaskRunnerError]) -> set[type[TaskRunnerError]]:
    return {of}.union(*(tree(child) for child in of.__subclasses__() if child.__module__ == "shared.domain.errors"))


def test_every_error_has_a_code_of_its_own_and_a_docstring_for_a_message() -> None:
    classes = tree(TaskRunnerError)
    assert len({c.code for c in classes}) == len(classes)
    assert str(ConfigurationError()) == "A setting is wrong."
    assert all(c.__doc__ for c in classes)


def test_a_users_own_error_needs_no_docstring() -> None:
    bare = type("Bare", (Fatal,), {})
    assert str(bare()) == "This can never succeed."
    assert str(bare("really")) == "really"


def test_a_refused_input_names_its_places() -> None:
    refused = InputRefused([("/a", "Field required"), ("", "Odd")])
    assert str(refused) == "/a: Field required; /: Odd"
