"""From a workflow request to a planned workflow: the graph first, then each task as far as it is known."""

from __future__ import annotations

import asyncio

from service.dependencies import Caller
from service.planning import Refused, all_of, plan_task, refuse_callback
from service.problems import MAX_ERRORS
from service.schemas.workflows import NodeRequest, WorkflowRequest
from shared.domain.ids import new_id
from shared.domain.pointers import pointer
from shared.domain.workflow import Linked, NewNode, NewWorkflow, OnFailure, link

PLANNED_AT_ONCE = 200
"""Planning takes some 10 µs a task: others get a turn in between."""


async def plan_workflow(caller: Caller, asked: WorkflowRequest, traceparent: str | None) -> NewWorkflow:
    """A workflow ready to store. Raises: Problem, InputRefused, with the places of the first hundred errors."""
    try:
        refuse_callback(caller, asked.callback_url)
    except Refused as refused:
        raise refused.problem() from None
    graph = link({name: (node.after or [], node.input) for name, node in asked.tasks.items()})
    nodes: list[NewNode] = []
    refusals: list[Refused] = []
    for index, (name, node) in enumerate(asked.tasks.items()):
        try:
            nodes.append(_plan(caller, name, node, graph[name]))
        except Refused as refused:
            refusals.append(refused)
            if len(refusals) >= MAX_ERRORS:
                break
        if index % PLANNED_AT_ONCE == 0:
            await asyncio.sleep(0)
    if refusals:
        raise all_of(refusals)
    return NewWorkflow(new_id(), asked.name, nodes, asked.callback_url, caller.request_id, traceparent)


def _plan(caller: Caller, name: str, node: NodeRequest, linked: Linked) -> NewNode:
    """Raises: Refused."""
    unknown = [pointer(reference.at) for reference in linked.references]
    task = plan_task(caller, node, at=pointer(("tasks", name)), unknown=unknown)
    return NewNode(name, task, OnFailure(node.on_failure or OnFailure.CANCEL), linked)
