"""Slots: a counter a pump can wait on, and be let go from."""

from __future__ import annotations

import asyncio

import pytest

from worker.engine.slots import Slots


async def test_all_slots_are_free_at_first() -> None:
    slots = Slots(3)
    assert slots.all_free
    assert await slots.wait_free() == 3


async def test_what_is_taken_is_missing_until_it_is_given_back() -> None:
    slots = Slots(3)
    slots.take()
    slots.take()
    assert not slots.all_free
    assert await slots.wait_free() == 1
    slots.give_back()
    slots.give_back()
    assert slots.all_free
    assert await slots.wait_free() == 3


async def test_a_wait_for_a_full_house_ends_with_the_first_slot_given_back() -> None:
    slots = Slots(2)
    slots.take()
    slots.take()
    waiting = asyncio.create_task(slots.wait_free())
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    slots.give_back()
    async with asyncio.timeout(1):
        assert await waiting == 1


async def test_a_slot_taken_again_before_the_waiter_ran_keeps_it_waiting() -> None:
    slots = Slots(1)
    slots.take()
    waiting = asyncio.create_task(slots.wait_free())
    await asyncio.sleep(0)
    slots.give_back()
    slots.take()
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    slots.give_back()
    async with asyncio.timeout(1):
        assert await waiting == 1


@pytest.mark.parametrize("taken", [0, 1])
async def test_nobody_waits_after_the_stop(taken: int) -> None:
    slots = Slots(1)
    for _ in range(taken):
        slots.take()
    waiting = asyncio.create_task(slots.wait_free())
    await asyncio.sleep(0)
    slots.stop_waiting()
    async with asyncio.timeout(1):
        assert await waiting == 1 - taken
        assert await slots.wait_free() == 1 - taken
