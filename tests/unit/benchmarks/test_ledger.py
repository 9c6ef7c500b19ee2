"""The ledger counts handlers over processes and threads, and forgets when told."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.peers.ledger import FOLDER, Ledger, Page
from tests.support.processes import ROOT

ENTER = "from benchmarks.peers.ledger import entered; [entered(number) for number in (-1, 7, -1)]"


def test_handlers_of_other_processes_are_counted_with_their_times(tmp_path: Path) -> None:
    ledger, before_ns = Ledger(tmp_path), time.monotonic_ns()
    for _ in range(2):
        env = {FOLDER: str(tmp_path), "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", ENTER], env=env, check=True, timeout=30)
    assert ledger.count == 6
    assert before_ns < ledger.first_ns < ledger.last_ns < time.monotonic_ns()
    entered_ns = ledger.entered_ns(7)
    assert entered_ns is not None
    assert ledger.first_ns <= entered_ns <= ledger.last_ns
    assert ledger.entered_ns(8) is None


def test_a_cleared_ledger_starts_from_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    Page(str(tmp_path)).note(-1)
    assert ledger.count == 1
    ledger.clear()
    assert ledger.count == 0
