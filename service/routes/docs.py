"""The API reference at ``/docs``: three files of ours, no CDN, no inline script."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

PAGES = Path(__file__).parents[1] / "pages"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def _serve(path: str, file_name: str, media_type: str) -> None:
    # Read once, at start: a handful of kilobytes, and no file access per request.
    content = (PAGES / file_name).read_bytes()

    async def page() -> Response:
        return Response(content, headers=HEADERS, media_type=media_type)

    router.add_api_route(path, page, methods=["GET"], name=file_name)


_serve("/docs", "docs.html", "text/html; charset=utf-8")
_serve("/docs/docs.css", "docs.css", "text/css; charset=utf-8")
_serve("/docs/docs.js", "docs.js", "text/javascript; charset=utf-8")
