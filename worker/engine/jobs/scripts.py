"""The Lua scripts, each one text sent as EVALSHA, and as EVAL where the server has forgotten it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

from worker.engine.jobs.keys import IN_LUA


@dataclass(frozen=True, slots=True)
class Script:
    """A script of several files: those before the last define functions for it."""

    text: str
    sha: str

    @classmethod
    def of(cls, *names: str) -> Self:
        folder = files("worker.engine.jobs").joinpath("lua")
        constants = [f"local {name} = {_literal(value)}" for name, value in IN_LUA.items()]
        text = "\n".join(constants + [folder.joinpath(f"{name}.lua").read_text() for name in names])
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"


EXCHANGE = Script.of("owner", "finish", "renew", "aborts", "claim", "exchange")
ENQUEUE = Script.of("enqueue")
