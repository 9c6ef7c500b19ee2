"""The account servers run under: ours, or ``nobody`` when we are root (PostgreSQL refuses uid 0).

The switch is made by util-linux's ``setpriv``. The server keeps the one capability that lets it walk through private
parent folders (root has it in every container), so only its own data directory changes hands.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from shared.domain.errors import ConfigurationError

ACCOUNT = "nobody"
CAPABILITY = "+dac_override"


def unprivileged(argv: Sequence[str]) -> tuple[str, ...]:
    """``argv`` as it must be run so that it is not root. Unchanged when we are not root.

    Raises: ConfigurationError, when we are root and ``setpriv`` is missing.
    """
    if os.geteuid() != 0:
        return tuple(argv)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigurationError(
            "the embedded servers don't run as root and setpriv (package util-linux) is missing:"
            " install it, run as another user, or set DATABASE_URL and REDIS_URL"
        )
    switch = ("--reuid", ACCOUNT, "--regid", str(pwd.getpwnam(ACCOUNT).pw_gid), "--clear-groups")
    keep = ("--inh-caps", CAPABILITY, "--ambient-caps", CAPABILITY, "--bounding-set", f"-all,{CAPABILITY}")
    return (setpriv, *switch, *keep, "--no-new-privs", "--", *argv)


def give(directory: Path) -> None:
    """Make ``directory`` (mode 0700) and all in it belong to the account the servers run under."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(ACCOUNT)
        for path in (directory, *directory.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
