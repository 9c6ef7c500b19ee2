"""PostgreSQL, Valkey and a mail sink without Docker or root: what ``taskrunner up`` and the tests run.

Owns where their data lies, their settings and the command to run. Refuses to start anything: the caller does.
"""
