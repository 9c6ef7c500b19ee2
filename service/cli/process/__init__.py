"""The commands that run processes: ``up``, ``api``, ``worker``, ``migrate``.

The other commands speak to a running service over HTTP; these may import ``shared``, and do so only when they run.
"""

from service.cli.process.commands import register

__all__ = ["register"]
