"""A worker that dies while its task speaks: the reader is told, and hears the next run from its beginning."""

from __future__ import annotations

import signal

import pytest

from tests.chaos.conftest import Stage

WORDS = 200


@pytest.mark.chaos
async def test_a_worker_killed_in_mid_stream_is_told_and_the_answer_begins_anew(stage: Stage) -> None:
    async with stage.running(workers=1) as [_, worker], stage.service.client() as client:
        task = await client.submit("recite", {"words": WORDS, "pause": 0.02})
        told, killed = [], False
        async for event in client.events(task.id, timeout=60):
            told.append(event)
            if event.event == "output" and not killed:
                killed = True
                worker.child.send(signal.SIGKILL)
    statuses = [(e.data["status"], e.data.get("outcome")) for e in told if e.event == "status"]
    assert statuses == [
        ("PENDING", None),
        ("PROCESSING", None),
        ("RETRYING", "lost"),
        ("PROCESSING", None),
        ("COMPLETED", None),
    ]
    anew = max(index for index, event in enumerate(told) if event.data.get("status") == "PROCESSING")
    assert "".join(event.delta for event in told[anew:]) == "".join(f"{number} " for number in range(WORDS))
    ids = [tuple(int(number) for number in event.id.split("-")) for event in told]
    assert ids == sorted(set(ids))
