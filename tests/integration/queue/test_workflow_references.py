"""References in workflows: what a task gave is what another is given; one that leads nowhere fails its node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.states import Status
from shared.domain.verdict import completed
from shared.domain.workflow import FIELDS
from shared.queue.stores import Stores
from shared.queue.webhooks import claim as claim_delivery
from tests.support.flows import URL, status_of, task, value
from tests.support.scenes.making import ended
from tests.support.scenes.workflows import BROKEN, DONE, Given, claimed, run, shown, states, submitted, task_of


async def test_a_result_becomes_an_input(stores: Stores) -> None:
    rows = [{"a/b": {"c~d": "deep"}}, [1, 2, None]]
    given = {
        "deep": {"$from": "a", "path": "/result/rows/0/a~1b/c~0d"},
        "item": [0, {"$from": "a", "path": "/result/rows/1/1"}],
        "null": {"$from": "a", "path": "/result/rows/1/2"},
        "whole": {"$from": "a"},
        "id": {"$from": "a", "path": "/id"},
        "plain": 1,
    }
    flow = await submitted(stores, {"a": {}, "b": {"input": given}, "c": {"input": {"$from": "a", "path": "/result"}}})
    await ended(stores, (await claimed(stores, flow))["a"], completed(json.dumps({"rows": rows})))
    assert (await task(stores, flow, "b")).input == {
        "deep": "deep",
        "item": [0, 2],
        "null": None,
        "whole": {"rows": rows},
        "id": str(await task_of(stores, flow, "a")),
        "plain": 1,
    }
    assert (await task(stores, flow, "c")).input == {"rows": rows}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/result/nothing", "/x"),
        ("/result/rows/3", "/x"),
        ("/result/rows/-1", "/x"),
        ("/result/rows/01", "/x"),
        ("/result/rows/0/deeper", "/x"),
        ("/error/message", "/x"),
        ("/result/rows/0", "/"),
    ],
    ids=str,
)
async def test_a_reference_that_leads_nowhere_fails_the_node_and_nothing_hangs(
    stores: Stores, path: str, place: str
) -> None:
    reference = {"$from": "a", "path": path}
    given = {"x": reference} if place == "/x" else reference
    nodes: dict[str, Given] = {"a": {}, "b": {"input": given, "callback_url": URL}, "c": {"after": ["b"]}}
    flow = await submitted(stores, {**nodes, "d": {"after": ["b"], "on_failure": "continue"}})
    await run(stores, flow, a=completed('{"rows": [1, 2, 3]}'))
    found = await task(stores, flow, "b")
    assert found.error is not None
    assert (found.status, found.error.type, found.error.retryable) == (Status.FAILED, "invalid_reference", False)
    assert found.error.message.startswith(f"{place}: a gave no {path}")
    assert await states(stores, flow) == {"a": "COMPLETED", "b": "FAILED", "c": "CANCELLED", "d": "COMPLETED"}
    assert await status_of(stores, flow) is Status.FAILED
    [told] = await claim_delivery(stores, most=5)
    assert told.subject.id == found.id, "its own callback is told, too"


async def test_a_failed_nodes_error_can_be_referred_to(stores: Stores) -> None:
    given = {"why": {"$from": "a", "path": "/error/message"}, "status": {"$from": "a", "path": "/status"}}
    flow = await submitted(stores, {"a": {}, "b": {"input": given, "on_failure": "continue"}})
    await run(stores, flow, a=BROKEN)
    assert (await task(stores, flow, "b")).input == {"why": "it broke", "status": "FAILED"}


async def test_a_view_holds_what_references_may_begin_with(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {}})
    await run(stores, flow, b=BROKEN)
    seen = set()
    for name in "ab":
        seen |= set(await value(stores, "SELECT workflow_view(:flow, :name)", flow=flow, name=name))
    assert seen == FIELDS


@pytest.mark.parametrize(("length", "failed"), [(300, 299), (1_500, 1_000)])
async def test_a_chain_of_nodes_that_cannot_begin_ends_in_one_statement(
    stores: Stores, length: int, failed: int
) -> None:
    """The first thousand fail, the rest is cancelled: a settle must not take longer than a statement may."""
    nodes: dict[str, dict[str, Any]] = {"n0": {}}
    for n in range(1, length):
        reference = {"$from": f"n{n - 1}", "path": "/result/nothing"}
        nodes[f"n{n}"] = {"input": {"x": reference}, "on_failure": "continue"}
    flow = await submitted(stores, nodes)
    await ended(stores, (await claimed(stores, flow))["n0"], DONE)
    found = (await shown(stores, flow)).workflow
    assert (found.completed, found.failed, found.done, found.status) == (1, failed, length, Status.FAILED)


async def test_what_one_end_copies_is_bounded(stores: Stores) -> None:
    large = completed(json.dumps({"x": "y" * 900_000}))
    nodes = {f"n{n}": {"input": {"x": {"$from": "a", "path": "/result/x"}}} for n in range(60)}
    flow = await submitted(stores, {"a": {}, **nodes, "big": {"input": {"x": [{"$from": "a"}] * 2}}})
    await ended(stores, (await claimed(stores, flow))["a"], large)
    now = await states(stores, flow)
    assert sum(status == "PENDING" for status in now.values()) == 38
    messages = {node.error.message for node in (await shown(stores, flow)).nodes if node.error}
    assert any("32 MiB" in message for message in messages)
    assert now["big"] == "FAILED"
