"""Which requests go past FastAPI's solver, and that those with anything unusual about them do not."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request

from service.problems import Problem
from service.quick import Quick, quick_way
from service.routes import files, tasks
from shared.domain.ids import new_id
from shared.queue.keys import LOCAL, Principal

KNOWN = UUID("01890000-0000-7000-8000-000000000001")


class Application:
    """As much of the app as a caller needs."""

    class state:  # noqa: N801 - Starlette's name
        house = object()


def route_of(router: Any, method: str, path: str) -> APIRoute:
    [route] = [r for r in router.routes if isinstance(r, APIRoute) and (r.path, r.methods) == (path, {method})]
    return route


def way(method: str, path: str) -> Quick:
    found = quick_way(route_of(tasks.router, method, path))
    assert found is not None
    return found


def asked(body: Any = None, *, query: bytes = b"", scopes: Principal = LOCAL, **path: str) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    state = {"principal": scopes, "request_id": "r-1"}
    scope = {"type": "http", "method": "POST", "headers": [], "query_string": query, "path_params": path}
    return Request({**scope, "state": state, "app": Application}, receive)


async def test_a_submit_is_given_what_fastapi_would_give_it() -> None:
    found = await way("POST", "/api/v1/tasks").arguments(asked({"prompt": "Hello"}))
    assert found is not None
    assert found.keys() == {"request", "caller", "body"}
    assert (found["body"].prompt, found["caller"].request_id) == ("Hello", "r-1")


async def test_a_read_takes_its_id_and_the_defaults_of_its_query() -> None:
    task_id = new_id()
    found = await way("GET", "/api/v1/tasks/{task_id}").arguments(asked(task_id=str(task_id)))
    assert found is not None
    assert (found["task_id"], found["wait"]) == (task_id, 0)
    assert isinstance(found["task_id"], UUID)


@pytest.mark.parametrize("body", [{"unknown": 1}, {"prompt": 3}, [], None, {"prompt": "x", "priority": 99}])
async def test_a_body_that_is_not_valid_is_left_to_fastapi(body: Any) -> None:
    assert await way("POST", "/api/v1/tasks").arguments(asked(body)) is None


async def test_a_query_is_left_to_fastapi() -> None:
    request = asked(query=b"wait=5", task_id=str(new_id()))
    assert await way("GET", "/api/v1/tasks/{task_id}").arguments(request) is None


@pytest.mark.parametrize("other", ["none", "", "{}", KNOWN.hex, f"urn:uuid:{KNOWN}", f"{{{KNOWN}}}"])
async def test_an_id_in_another_notation_is_left_to_fastapi(other: str) -> None:
    assert await way("GET", "/api/v1/tasks/{task_id}").arguments(asked(task_id=other)) is None


async def test_a_caller_without_the_scope_is_refused_before_its_body_is_looked_at() -> None:
    reader = Principal(LOCAL.tenant_id, frozenset({"read"}))
    with pytest.raises(Problem) as refused:
        await way("POST", "/api/v1/tasks").arguments(asked({"unknown": 1}, scopes=reader))
    assert refused.value.code == "forbidden"


def test_the_routes_of_tasks_and_files_all_have_a_quick_way() -> None:
    routes = [r for router in (tasks.router, files.router) for r in router.routes if isinstance(r, APIRoute)]
    assert len(routes) > 8
    assert [r.path for r in routes if quick_way(r) is None] == []


def test_an_answer_that_fastapi_has_to_make_is_left_to_it() -> None:
    async def endpoint() -> dict[str, int]:
        return {}

    assert quick_way(APIRoute("/x", endpoint)) is None
