"""The commands that run processes or work on the database: ``up``, ``api``, ``worker``, ``migrate``, ``keys``.

The other commands speak to a running service over HTTP; these may import ``shared``, and do so only when they run.
"""

import typer

from service.cli.process import commands, keys

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add them to ``app``."""
    commands.register(app)
    keys.register(app)
