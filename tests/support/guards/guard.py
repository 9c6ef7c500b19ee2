"""What a guard is, and the statements that several of them stand in."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.mutations import Mutation
from tests.support.scenes.making import Scene, by_hint, by_poll

BY_IDS, BY_ORDER = "shared.db.statements.claim:BY_IDS", "shared.db.statements.claim:BY_ORDER"
CLAIMS = (("claim by id", BY_IDS, by_hint), ("poll", BY_ORDER, by_poll))
"""Both ways to claim: the name, the statement, and how a scene goes that way."""
SETTLE = "shared.db.statements.settle:SETTLE"
RESCUE = "shared.db.statements.liveness:RESCUE"
LOCKED = "FOR NO KEY UPDATE SKIP LOCKED"


@dataclass(frozen=True)
class Guard:
    """A guard, how it is taken away, the scene that misses it, and what is wrong there."""

    name: str
    mutation: Mutation
    scene: Scene
    wrong: str
