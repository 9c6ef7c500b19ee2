"""``python -m reference`` writes the pages; with ``--check`` it only says which are not what the code says."""

from __future__ import annotations

import argparse
import sys

from reference.pages import FOLDER, pages, stale

STALE = 1


def main() -> int:
    """The exit code: 1 where ``--check`` found a page that is out of date."""
    parser = argparse.ArgumentParser(prog="python -m reference", description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a page is out of date")
    if parser.parse_args().check:
        names = stale()
        sys.stderr.write("".join(f"{name} is out of date: make docs\n" for name in names))
        return STALE if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


sys.exit(main())
