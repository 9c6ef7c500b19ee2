"""Files: streamed to storage as they come in, and out again."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import FileResponse, Response

from service.creation import answered, created
from service.dependencies import NO_BODY, Caller, Reader, Writer
from service.idempotency import digest_of, key_of
from service.schemas.bodies import MULTIPART
from service.schemas.files import FileView
from service.schemas.headers import IDEMPOTENCY_KEY, RANGE, takes
from service.schemas.responses import problems
from service.strict_route import StrictRoute
from service.uploads import Upload
from service.views import file_view, json_answer
from shared.domain.errors import KeyInFlight, KeyReused, NotFound
from shared.domain.ids import new_id
from shared.queue.idempotency import Answer, once
from shared.storage import Written, safe_name, sniff_media_type

PATH = "/api/v1/files"
router = APIRouter(prefix=PATH, tags=["files"], route_class=StrictRoute)

# A stored page must not run as ours, whatever a browser makes of it.
CONTENT_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-cache",
}
OCTETS: dict[str, Any] = {
    "content": {"*/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}},
}
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {**OCTETS, "description": "The bytes, as an attachment."},
    206: {**OCTETS, "description": "The part of them that `Range` asked for."},
}
SINGLE_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


@router.post(
    "",
    summary="Upload a file",
    status_code=201,
    response_model=FileView,
    response_description="It is stored.",
    responses=problems(409),
    openapi_extra={**MULTIPART, **takes(IDEMPOTENCY_KEY)},
)
async def create_file(request: Request, caller: Writer) -> Response:
    """Stores one file. It is named in a task's input by its id, and removed by retention."""
    key = key_of(request)
    upload = Upload(request)
    file_id, storage = new_id(), caller.stores.storage
    limit = caller.house.settings.max_upload_bytes
    written = await storage.write(caller.tenant_id, file_id, upload.chunks(), limit=limit)
    name = safe_name(upload.name)
    try:
        answer = await _record(caller, key, file_id, name, written)
    except (KeyInFlight, KeyReused):
        await storage.delete(caller.tenant_id, file_id)
        raise
    # After any other error the record may exist: bytes without one are swept, one without bytes is broken.
    if answer.is_replay:
        await storage.delete(caller.tenant_id, file_id)
    return answered(answer)


async def _record(caller: Caller, key: str | None, file_id: UUID, name: str, written: Written) -> Answer:
    """Make the record, once under ``key``."""
    media_type = sniff_media_type(name, written.head)
    files = caller.house.files
    if key is None:
        return _created(file_view(await files.add(caller.tenant_id, file_id, name, written, media_type)))

    async def create(session: AsyncSession) -> Answer:
        return _created(file_view(await files.add_in(session, caller.tenant_id, file_id, name, written, media_type)))

    content = {"name": name, "media_type": media_type, "sha256": written.sha256}
    return await once(caller.stores, caller.tenant_id, key, digest_of("POST", PATH, content), create)


def _created(view: dict[str, Any]) -> Answer:
    return created(view, {"Location": f"{PATH}/{view['id']}"})


@router.get(
    "/{file_id}",
    summary="Read a file's record",
    response_model=FileView,
    response_description="Its record.",
    responses=problems(404),
)
async def read_file(caller: Reader, file_id: UUID) -> Response:
    """Name, size, checksum and type."""
    return json_answer(file_view(await caller.house.files.get(caller.tenant_id, file_id)))


@router.get(
    "/{file_id}/content",
    summary="Download a file",
    response_class=Response,
    responses={**CONTENT, **problems(404)},
    openapi_extra=takes(RANGE),
)
async def read_content(request: Request, caller: Reader, file_id: UUID) -> Response:
    """The bytes, always as an attachment. Takes a single `Range`."""
    file = await caller.house.files.get(caller.tenant_id, file_id)
    try:
        found = await asyncio.to_thread(file.path.stat)
    except FileNotFoundError:
        raise NotFound from None
    _drop_unusable_range(request, found.st_size)
    return FileResponse(
        file.path, media_type=file.media_type, filename=file.name, stat_result=found, headers=CONTENT_HEADERS
    )


@router.delete(
    "/{file_id}",
    summary="Delete a file",
    status_code=204,
    response_description="It is gone.",
    responses=problems(404),
    dependencies=[NO_BODY],
)
async def delete_file(caller: Writer, file_id: UUID) -> Response:
    """Removes the record and the bytes."""
    await caller.house.files.delete(caller.tenant_id, file_id)
    return Response(status_code=204)


def _drop_unusable_range(request: Request, size: int) -> None:
    """A server may ignore ``Range``; answered in plain text by the framework, a bad one would break our contract."""
    match = SINGLE_RANGE.fullmatch(request.headers.get("range", ""))
    if match and int(match[1]) < size and (not match[2] or int(match[1]) <= int(match[2])):
        return
    request.scope["headers"] = [(n, v) for n, v in request.scope["headers"] if n != b"range"]
