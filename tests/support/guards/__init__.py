"""The guards of the protocol, a module for each module of scenes: ``tests/chaos/test_mutations.py`` plays them."""

from __future__ import annotations

from tests.support.guards import (
    bulk,
    keys,
    limits,
    liveness,
    lost_words,
    moves,
    operations,
    ownership,
    ticking,
    webhooks,
    workflows,
)
from tests.support.guards.guard import Guard

__all__ = ["GUARDS", "Guard"]

SUBJECTS = (
    ownership,
    moves,
    liveness,
    lost_words,
    ticking,
    operations,
    webhooks,
    bulk,
    keys,
    limits,
    workflows,
)
GUARDS = [guard for subject in SUBJECTS for guard in subject.GUARDS]
