"""How an exception is told in a log: its lines of code and its words, without values of frames, rows or inputs.

PostgreSQL quotes whole rows in its details, asyncpg the arguments of a statement, pydantic its input. On a console the
words stand on one line, indented: whoever chose them can't make them look like another line of the log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TextIO

import structlog.tracebacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from structlog.typing import ExcInfo

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
QUOTING = (
    (re.compile(r"\n(?:DETAIL|HINT|CONTEXT|WHERE): .*", re.DOTALL), ""),
    (re.compile(r"(query argument \$\d+:|invalid input [^:\n]*:|\bvalue (?=\")).*", re.DOTALL), r"\1 …"),
    (re.compile(r"input_value=.*?(?=, input_type=|\Z)", re.DOTALL), "input_value=…"),
)
MOST_CHARACTERS = 2_000

# The local variables of a frame hold payloads and keys.
_bare = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def traceback_of(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """The exception and its causes, the last of them at the end."""
    return [_told(stack) for stack in _bare(exc_info)]


def write_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """The same for a console, the first cause at the beginning."""
    out.writelines(f"\n{line}" for line in _lines(traceback_of(exc_info), "    "))


def unquoted(text: str) -> str:
    """``text`` of an error without the values it quotes, and of bearable length."""
    for quoting, instead in QUOTING:
        text = quoting.sub(instead, text)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def escaped(text: str) -> str:
    """``text`` on one line, with nothing that drives a terminal."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _told(stack: dict[str, Any]) -> dict[str, Any]:
    stack["exc_value"] = unquoted(stack["exc_value"])
    stack["exc_notes"] = [unquoted(note) for note in stack["exc_notes"]]
    for member in stack["exceptions"]:
        member[:] = map(_told, member)
    return stack


def _lines(stacks: Iterable[dict[str, Any]], indent: str) -> Iterator[str]:
    for stack in reversed(list(stacks)):
        for frame in stack["frames"]:
            yield f'{indent}  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
        for member in stack["exceptions"]:
            yield from _lines(member, indent + "  | ")
        yield f"{indent}{stack['exc_type']}: {escaped(stack['exc_value'])}"
        yield from (f"{indent}{escaped(note)}" for note in stack["exc_notes"])
