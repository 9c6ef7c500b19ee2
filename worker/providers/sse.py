"""Server-Sent Events, as far as a model's answer needs them: the data of each event, as bytes.

Not httpx's ``aiter_lines``: it also splits at U+2028 and its like, which stand unescaped in JSON.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

MAX_LINE_BYTES = 1_048_576


class MalformedStream(ValueError):
    """This is no event stream."""


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the ``data`` of each event; comments and other fields are dropped. Lines end in LF or CRLF.

    Raises:
        MalformedStream: a line is longer than 1 MiB.
    """
    rest, data = b"", list[bytes]()
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise MalformedStream("a line of the stream is too long")
        for line in lines:
            field = line.removesuffix(b"\r")
            if field.startswith(b"data:"):
                data.append(field[5:].removeprefix(b" "))
            elif not field and data:
                yield b"\n".join(data)
                data = []
    # Strictly, an event without its empty line is void; some servers end with one.
    if rest.startswith(b"data:"):
        data.append(rest[5:].strip())
    if data:
        yield b"\n".join(data)
