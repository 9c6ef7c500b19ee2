"""The memory limit of a process, as the kernel's files tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.control_group import Memory, memory

MEBIBYTE = 1_048_576


def written(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".", 1)).write_text(text)


def seen(folder: Path, own: str) -> Memory | None:
    (folder / "own").write_text(own)
    return memory(folder, folder / "own")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max\n", None),
        (f"{512 * MEBIBYTE}\n", Memory(300 * MEBIBYTE, 512 * MEBIBYTE)),
        ("9223372036854771712\n", None),
        ("0\n", None),
        ("", None),
    ],
    ids=["none", "512 MiB", "a number for none", "nothing at all", "no such file"],
)
def test_the_limit_of_a_container_is_that_of_the_outermost_group(
    limit: str, expected: Memory | None, tmp_path: Path
) -> None:
    stat = f"anon 1\ninactive_file {20 * MEBIBYTE}\nactive_file 7\n"
    written(tmp_path, memory__max=limit, memory__current=f"{320 * MEBIBYTE}\n", memory__stat=stat)
    assert seen(tmp_path, "0::/\n") == expected


def test_a_unit_of_systemd_has_a_group_of_its_own(tmp_path: Path) -> None:
    unit = tmp_path / "system.slice" / "taskrunner-worker@1.service"
    written(unit, memory__max="1000", memory__current="400")
    written(tmp_path / "system.slice", memory__max="max", memory__current="99999")
    assert seen(tmp_path, "0::/system.slice/taskrunner-worker@1.service\n") == Memory(400, 1000)


def test_of_several_limits_the_one_that_is_nearer_counts(tmp_path: Path) -> None:
    written(tmp_path / "outer" / "inner", memory__max="1000", memory__current="100")
    written(tmp_path / "outer", memory__max="2000", memory__current="1900")
    assert seen(tmp_path, "0::/outer/inner\n") == Memory(1900, 2000)


def test_version_1_of_control_groups_is_read_too(tmp_path: Path) -> None:
    group = tmp_path / "memory" / "docker" / "abc"
    written(
        group,
        memory__limit_in_bytes="1000",
        memory__usage_in_bytes="700",
        memory__stat="inactive_file 1\ntotal_inactive_file 200\n",
    )
    assert seen(tmp_path, "9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n") == Memory(500, 1000)


def test_where_the_path_is_one_of_the_host_the_containers_own_group_is_read(tmp_path: Path) -> None:
    written(tmp_path, memory__max="1000", memory__current="10")
    assert seen(tmp_path, "0::/docker/abc\n") == Memory(10, 1000)


def test_nothing_is_told_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert memory(tmp_path, tmp_path / "own") is None
