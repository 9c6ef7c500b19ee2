"""The memory that this process's control group takes, and may take. Read when somebody asks; knows versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Of each version: the limit, what is taken, and the part of it in ``memory.stat`` that is cache nobody uses."""
NO_LIMIT = 2**60
"""Version 1 has no word for it, and tells a number near 2**63."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. ``used`` is without what the kernel takes back at need, as Kubernetes counts it."""

    used: int
    limit: int


def memory(groups: Path = GROUPS, own: Path = OWN) -> Memory | None:
    """Of our group, or the one around it that is nearer to its limit; None: nothing is limited, or nothing is known."""
    found = [seen for folder in _folders(groups, own) if (seen := _read(folder))]
    return max(found, key=lambda one: one.used / one.limit, default=None)


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Our group and those around it. In a container the outermost is the container's own."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = groups / "memory" if controllers else groups
        folder = root / path.lstrip("/")
        while folder != root:
            yield folder
            folder = folder.parent
        yield root


def _read(folder: Path) -> Memory | None:
    for limit_file, used_file, cache in FILES:
        limit, used = _text(folder / limit_file).strip(), _text(folder / used_file).strip()
        if limit.isdigit() and used.isdigit() and 0 < int(limit) < NO_LIMIT:
            return Memory(max(0, int(used) - _stat(folder, cache)), int(limit))
    return None


def _stat(folder: Path, name: str) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _text(path: Path) -> str:
    """Empty where there is no such file, or it is not for us."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
