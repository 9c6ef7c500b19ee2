"""A flood of progress becomes a few messages, and the newest is never lost."""

from __future__ import annotations

import threading

import pytest

from worker.blocking.errors import RunEnded
from worker.blocking.pacer import Pacer

NEVER_S = 3_600.0


def test_the_first_value_goes_at_once_and_the_next_ones_wait() -> None:
    sent: list[int] = []
    pacer = Pacer(sent.append, NEVER_S)
    for number in range(1_000):
        pacer.offer(number)
    assert sent == [0]
    pacer.flush()
    assert sent == [0, 999]
    pacer.flush()
    assert sent == [0, 999]
    pacer.close()


def test_the_newest_value_goes_when_the_interval_is_over() -> None:
    sent: list[int] = []
    arrived = threading.Event()

    def send(number: int) -> None:
        sent.append(number)
        if number == 2:
            arrived.set()

    pacer = Pacer(send, 0.01)
    for number in range(3):
        pacer.offer(number)
    assert arrived.wait(5)
    assert sent == [0, 2]
    pacer.close()


def test_a_closed_pacer_sends_nothing_more() -> None:
    sent: list[int] = []
    pacer = Pacer(sent.append, NEVER_S)
    pacer.offer(1)
    pacer.offer(2)
    pacer.close()
    pacer.flush()
    assert sent == [1]


def test_a_run_that_ended_under_the_timer_is_told_to_the_next_caller() -> None:
    refused = threading.Event()
    count = 0

    def send(_: int) -> None:
        nonlocal count
        count += 1
        if count > 1:
            refused.set()
            raise RunEnded

    pacer = Pacer(send, 0.01)
    pacer.offer(1)
    pacer.offer(2)
    assert refused.wait(5)
    with pytest.raises(RunEnded):
        pacer.offer(3)
