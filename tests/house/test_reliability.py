"""The page of reliability counts what the fault tests hold."""

from __future__ import annotations

import re

from tests.chaos.test_checker import PLANTED
from tests.house.pages import page
from tests.support.failpoints import Harm
from tests.support.guards import GUARDS

TEXT = " ".join(page("docs/reliability.md").text.split())


def test_planted_faults_guards_and_harms_are_counted() -> None:
    assert f"{len(PLANTED)} planted faults, each found" in TEXT
    assert f"fail in {len(Harm)} ways" in TEXT
    told = re.search(r"More than (\d+)0 guards are taken away one at a time", TEXT)
    assert told
    assert int(told[1]) == (len(GUARDS) - 1) // 10


def test_no_guard_is_taken_away_twice() -> None:
    names = [guard.name for guard in GUARDS]
    assert sorted(set(names)) == sorted(names)
