"""What a route is given: the caller, once its scope is known to suffice, and what it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request

from service.auth import ADMIN, READ, WRITE, may
from service.pagination import Cursors
from service.problems import Problem, invalid
from service.streaming import Streams
from shared.domain.task import DEFAULT_TENANT
from shared.queue.audit import Actor
from shared.queue.files import FileRecords
from shared.queue.keys import Principal
from shared.queue.schedules import Schedules
from shared.queue.stores import Stores
from shared.queue.workers import Serving
from shared.registry import Registry
from shared.settings import Settings


class House:
    """What the process owns for all requests. Stands at ``app.state.house`` from start-up to shutdown."""

    def __init__(self, stores: Stores, registry: Registry, settings: Settings) -> None:
        self.stores = stores
        self.registry = registry
        self.settings = settings
        self.serving = Serving(stores)
        self.streams = Streams()
        self.files = FileRecords(stores)
        self.schedules = Schedules(stores, registry)

    @cached_property
    def task_cursors(self) -> Cursors:
        return Cursors(self.settings, "tasks")

    @cached_property
    def operation_cursors(self) -> Cursors:
        return Cursors(self.settings, "operations")

    @cached_property
    def audit_cursors(self) -> Cursors:
        return Cursors(self.settings, "audit")

    @cached_property
    def delivery_cursors(self) -> Cursors:
        return Cursors(self.settings, "deliveries")

    @cached_property
    def schedule_cursors(self) -> Cursors:
        return Cursors(self.settings, "schedules")

    @cached_property
    def workflow_cursors(self) -> Cursors:
        return Cursors(self.settings, "workflows")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and in which house."""

    principal: Principal
    house: House
    request_id: str

    @property
    def tenant_id(self) -> int:
        return self.principal.tenant_id

    @property
    def stores(self) -> Stores:
        return self.house.stores

    @property
    def is_admin(self) -> bool:
        return may(self.principal, ADMIN)

    @property
    def actor(self) -> Actor:
        """For the audit log."""
        return Actor(self.tenant_id, self.principal.key_id, self.request_id)

    @property
    def is_operator(self) -> bool:
        """Whether the caller runs the service: what all tenants share is for admins of the first one."""
        return self.is_admin and self.tenant_id == DEFAULT_TENANT


SCOPE_OF: dict[Any, str] = {}
"""The scope that a dependency asks for: of ``Reader``, ``Writer`` and ``Admin``."""


def _needs(scope: str) -> Any:
    # async, though it awaits nothing: FastAPI sends plain functions to a thread.
    async def caller(request: Request) -> Caller:
        state = request.scope["state"]
        if not may(state["principal"], scope):
            raise Problem("forbidden", f"This needs a key with the scope {scope!r}.")
        return Caller(state["principal"], request.app.state.house, state["request_id"])

    SCOPE_OF[caller] = scope
    return Depends(caller)


async def _no_body(request: Request) -> None:
    """A body a route would ignore must not look obeyed. Raises: Problem (400, 422)."""
    if await request.body() and await request.json() != {}:
        raise invalid([("", "This takes no body, or an empty object.")])


NO_BODY = Depends(_no_body)
Reader = Annotated[Caller, _needs(READ)]
Writer = Annotated[Caller, _needs(WRITE)]
Admin = Annotated[Caller, _needs(ADMIN)]
