"""top: the service at a glance, live in a terminal, or once for a pipe.

``snapshot`` is what one look found, ``watching`` looks again and again, ``board`` is what the keys change, ``frame``
and ``rows`` draw it, ``keyboard`` and ``screen`` own the terminal. Changes nothing in the service.
"""

from service.cli.top.command import register

__all__ = ["register"]
