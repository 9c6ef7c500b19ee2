"""The dashboard's files at ``/`` and ``/dashboard/…``: read once, served with validators and the strictest headers.

They hold nothing secret, so whoever is let in by the door may read them; what they show comes from the API.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.preferences import etag_of, matches
from service.problems import NOT_FOUND, Problem

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Asked for again each time, and answered 304: after an update nobody runs half of the old pages.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    headers: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        content = path.read_bytes()
        return cls(content, HEADERS | {"ETag": etag_of(content), "Content-Type": MEDIA_TYPES[path.suffix]})


FILES = {path.relative_to(FOLDER).as_posix(): StaticFile.read(path) for path in FOLDER.rglob("*") if path.is_file()}


@router.get("/")
async def read_index(request: Request) -> Response:
    return _served(request, INDEX)


@router.get("/dashboard/{name:path}")
async def read_file(request: Request, name: str) -> Response:
    return _served(request, name)


def _served(request: Request, name: str) -> Response:
    """A name is looked up, never opened: no path leads out of the folder. Raises: Problem (404)."""
    file = FILES.get(name)
    if file is None:
        raise Problem("not_found", NOT_FOUND)
    if matches(request.headers.get("if-none-match"), file.headers["ETag"]):
        return Response(status_code=304, headers=file.headers)
    return Response(file.content, headers=file.headers)
