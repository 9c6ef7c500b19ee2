"""Errors as facts, and facts as errors again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.errors import (
    Fatal,
    FileMissing,
    InputRefused,
    MissingExtra,
    OutboundRefused,
    ProviderUnavailable,
    Retry,
)
from worker.blocking.carried import carry, facts_of, rebuild
from worker.blocking.errors import FrameTooLarge
from worker.blocking.frames import HEADER_BYTES, decode, encode


class Busy(ProviderUnavailable):
    """A provider's own kind of error."""


class Foreign(Exception):
    pass


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def crossed(error: Exception) -> Exception:
    _, carried = decode(encode("error", carry(error))[HEADER_BYTES:])
    return rebuild(carried)


@pytest.mark.parametrize(
    "error",
    [
        Fatal("never"),
        FileMissing("gone"),
        OutboundRefused("no"),
        MissingExtra("local-ai", "The model"),
        InputRefused([("/a", "bad")]),
        Retry("later", delay=3),
        ProviderUnavailable("busy", retry_after=timedelta(seconds=4)),
        ValueError("v", 1),
        KeyError("k"),
        TimeoutError(),
        FileNotFoundError(2, "No such file", "/gone"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
)
def test_an_error_of_ours_or_a_builtin_comes_back_as_it_was(error: Exception) -> None:
    back = crossed(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert repr(vars(back)) == repr({k: [list(p) for p in v] if k == "problems" else v for k, v in vars(error).items()})


def test_a_subclass_comes_back_as_the_nearest_class_a_handler_can_catch() -> None:
    back = crossed(Busy("slow", retry_after=timedelta(seconds=2)))
    assert type(back) is ProviderUnavailable
    assert back.retry_after == timedelta(seconds=2)
    assert str(back) == "slow"
    assert type(crossed(FrameTooLarge("big"))) is Fatal


def test_a_foreign_error_comes_back_as_an_exception_that_names_it() -> None:
    back = crossed(Foreign("what"))
    assert type(back) is Exception
    assert str(back) == "Foreign: what"


def test_arguments_that_cannot_cross_are_left_behind_and_the_message_stays() -> None:
    back = crossed(ValueError(object))
    assert type(back) is ValueError
    assert str(back) == "<class 'object'>"


def test_a_builtin_that_cannot_be_built_from_its_message_is_a_runtime_error() -> None:
    back = crossed(ExceptionGroup("two", [ValueError("x")]))
    assert type(back) is RuntimeError
    assert str(back).startswith("ExceptionGroup: two")


def test_a_class_outside_the_two_homes_is_never_looked_up() -> None:
    back = rebuild({"lineage": ["os.system", "builtins.eval"], "message": "m", "arguments": ["id"], "attributes": {}})
    assert type(back) is Exception


def test_an_error_that_cannot_be_printed_has_facts_all_the_same() -> None:
    facts = facts_of(Unprintable())
    assert facts.type == "Unprintable"
    assert facts.message == "<Unprintable without a readable message>"
    assert facts.lineage[-2:] == ("builtins.BaseException", "builtins.object")


def test_the_facts_of_an_error_let_go_of_what_its_frames_held() -> None:
    def fail() -> None:
        held = bytearray(10)
        raise ValueError(len(held))

    with pytest.raises(ValueError, match="10") as caught:
        fail()
    facts = facts_of(caught.value)
    assert facts.traceback is not None
    assert "raise ValueError(len(held))" in facts.traceback
    assert caught.value.__traceback__ is not None
    assert caught.value.__traceback__.tb_next is not None
    assert not caught.value.__traceback__.tb_next.tb_frame.f_locals
