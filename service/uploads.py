"""Reading one file out of ``multipart/form-data`` while it streams in; nothing of it is held back here."""

from __future__ import annotations

from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from service.problems import Problem, invalid

FIELD = b"file"
MAX_PART_HEADERS = 16


class Upload:
    """One part named ``file`` with a file name. ``name`` is known once ``chunks`` has begun to give bytes."""

    def __init__(self, request: Request) -> None:
        self.name = ""
        self._stream = request.stream()
        self._pieces: list[bytes] = []
        self._parts = 0
        self._is_complete = False
        self._field, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            _boundary(request),
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
            max_header_count=MAX_PART_HEADERS,
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes as they come, to the end of the request. Raises: Problem."""
        async for received in self._stream:
            try:
                self._parser.write(received)
            except FormParserError as error:
                raise Problem("bad_request", f"The body is not multipart/form-data: {error}") from None
            for piece in self._pieces:
                yield piece
            self._pieces.clear()
        if not self._is_complete:
            raise Problem("bad_request", "The body ended before its last boundary.")
        if self._parts == 0:
            raise invalid([("/file", "Field required")])

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise invalid([("/file", "Send exactly one part.")])
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if options.get(b"name") != FIELD:
            raise invalid([("/file", "The one part must be named file.")])
        if b"filename" not in options:
            raise invalid([("/file", "The part must carry a file name.")])
        self.name = options[b"filename"].decode("utf-8", "replace")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _on_end(self) -> None:
        self._is_complete = True


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise Problem("bad_request", "Content-Type must give a boundary of 1 to 70 characters.")
    return boundary
