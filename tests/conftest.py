"""What every test may ask for. The servers are real and start once a run."""

from __future__ import annotations

import signal

pytest_plugins = ["tests.support.servers", "tests.support.processes", "tests.support.stores"]

# Started in the background of a script we were told to ignore Ctrl-C, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
