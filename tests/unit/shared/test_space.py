"""When a disk counts as full."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.embedded.space import MEBIBYTE, full_disk

MORE_THAN_ANY_DISK = 2**80


@pytest.mark.parametrize("folders", [(), (".",), (".", "missing")])
def test_a_disk_with_room_is_not_full(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert full_disk([tmp_path / folder for folder in folders], least=1) is None


def test_a_disk_with_less_than_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    said = full_disk([tmp_path / "missing", tmp_path / "link"], least=MORE_THAN_ANY_DISK * MEBIBYTE)
    assert said is not None
    assert said.startswith(f"the disk of {(tmp_path / 'real').resolve()} is full (")
