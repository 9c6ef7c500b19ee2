"""API keys: create, list, rotate, revoke. Of the caller's own tenant; a secret is shown once, and stored nowhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.auth import ADMIN
from service.creation import answered, created
from service.dependencies import NO_BODY, Admin, Caller
from service.idempotency import digest_of, key_of
from service.problems import Problem, invalid
from service.schemas.headers import IDEMPOTENCY_KEY, takes
from service.schemas.keys import IssuedKeyView, KeyList, KeyRequest, KeyRotation
from service.schemas.responses import problems
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.queue.idempotency import Answer, once
from shared.queue.issuing import DEFAULT_OVERLAP, IssuedKey, KeyInfo, create_key, list_keys, revoke_key, rotate_key

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], route_class=StrictRoute)

KeyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9]{4,32}$", description="The key's id: its part before the dot.")]
NO_STORE = {"Cache-Control": "no-store"}
Issue = Callable[[AsyncSession], Awaitable[IssuedKey]]


@router.post(
    "",
    summary="Create a key",
    status_code=201,
    response_model=IssuedKeyView,
    response_description="It works at once. `key` is shown this once.",
    responses=problems(409),
    openapi_extra=takes(IDEMPOTENCY_KEY),
)
async def issue_key(request: Request, caller: Admin, body: KeyRequest) -> Response:
    """Makes a key for the caller's tenant. The very first one needs the scope `admin`: from then on all need a key."""
    refuse_without_secret(caller)
    if caller.principal.key_id is None and ADMIN not in body.scopes:
        raise invalid([("/scopes", "The first key needs the scope admin: without one, nobody could make the next.")])

    async def issue(session: AsyncSession) -> IssuedKey:
        return await create_key(
            session,
            caller.house.settings,
            caller.tenant_id,
            name=body.name,
            scopes=body.scopes,
            expires_at=body.expires_at,
            by=caller.actor,
        )

    return await _issued(request, caller, issue)


@router.get("", summary="List keys", response_model=KeyList, response_description="Those that were not revoked.")
async def read_keys(caller: Admin) -> Response:
    """The keys of the caller's tenant, newest first, never with a secret. One that has ended stays until revoked."""
    return json_answer({"data": [key_view(key) for key in await list_keys(caller.stores, caller.tenant_id)]})


@router.post(
    "/{key_id}/rotate",
    summary="Rotate a key",
    status_code=201,
    response_model=IssuedKeyView,
    response_description="Its successor, with the same name and scopes.",
    responses=problems(404, 409),
    openapi_extra=takes(IDEMPOTENCY_KEY),
)
async def replace_key(request: Request, caller: Admin, key_id: KeyId, body: KeyRotation) -> Response:
    """Both work for `overlap` seconds, then only the new one. 409 where it was rotated before."""
    refuse_without_secret(caller)
    overlap = DEFAULT_OVERLAP if body.overlap is None else timedelta(seconds=body.overlap)

    async def issue(session: AsyncSession) -> IssuedKey:
        return await rotate_key(
            session, caller.house.settings, caller.tenant_id, key_id, overlap=overlap, by=caller.actor
        )

    return await _issued(request, caller, issue)


@router.delete(
    "/{key_id}",
    summary="Revoke a key",
    status_code=204,
    response_description="It is refused, everywhere within two seconds.",
    responses=problems(404),
    dependencies=[NO_BODY],
)
async def end_key(caller: Admin, key_id: KeyId) -> Response:
    """Ends the key for good. After the last one, `taskrunner keys create --database` makes another."""
    async with caller.stores.db.transaction() as session:
        await revoke_key(session, caller.tenant_id, key_id, caller.actor)
    return Response(status_code=204)


async def _issued(request: Request, caller: Caller, issue: Issue) -> Response:
    """The 201. What is stored under an ``Idempotency-Key`` has no secret: a replay tells only what was made."""
    idempotency_key = key_of(request)
    made: list[IssuedKey] = []

    async def create(session: AsyncSession) -> Answer:
        made.append(await issue(session))
        return created({**key_view(made[0].info), "key": None}, NO_STORE)

    if idempotency_key is None:
        async with caller.stores.db.transaction() as session:
            answer = await create(session)
    else:
        digest = digest_of("POST", request.url.path, await request.json())
        answer = await once(caller.stores, caller.tenant_id, idempotency_key, digest, create)
    if answer.is_replay:
        return answered(answer)
    return json_answer({**key_view(made[0].info), "key": made[0].token}, 201, NO_STORE)


def refuse_without_secret(caller: Caller) -> None:
    """Raises: Problem (422)."""
    if caller.house.settings.secret_key is None:
        raise Problem("not_available", "Keys are stored as keyed hashes: set TASKRUNNER_SECRET_KEY for the API.")


def key_view(key: KeyInfo) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "replaced_by": key.replaced_by,
    }
