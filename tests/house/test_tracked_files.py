"""What no file of the project may hold: paths of somebody's machine, addresses of package indexes, options of pip."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, text_files

MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:home|Users|root|work|mnt)/\w")
# In pieces, so that this file passes its own test.
INDEX_HOSTS = tuple(".".join(name) for name in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org")])
LOCKS = sorted(ROOT.glob("*.lock"))


def test_no_file_knows_a_machine_or_a_package_index() -> None:
    found = {str(path.relative_to(ROOT)): traces_in(path.read_text(encoding="utf-8")) for path in text_files()}
    assert {name: traces for name, traces in found.items() if traces} == {}


def test_traces_are_recognised() -> None:
    for host in INDEX_HOSTS:
        assert traces_in(f"see https://{host}/simple") == [host]
    assert traces_in("cd " + "/home" + "/ada/project") == ["/home" + "/a"]
    assert traces_in("tests/work/x, ${ROOT}/work/y, /opt/taskrunner, /var/lib/taskrunner") == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_names_and_versions_and_nothing_else(path: Path) -> None:
    pin = re.compile(r"[a-z0-9-]+==[\w.]+(?: ; .+)?")
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if not pin.fullmatch(line)] == []


def test_there_are_locks_and_files_to_look_at() -> None:
    assert len(LOCKS) == 2
    assert len(text_files()) > 100


def traces_in(text: str) -> list[str]:
    return [*MACHINE_PATH.findall(text), *(host for host in INDEX_HOSTS if host in text)]
