"""The same small service built the usual way, twice: what ours is compared with as a whole.

One table, a POST that stores a row and enqueues its id, a GET that reads it, a worker that marks it PROCESSING and then
COMPLETED: as the tutorials of FastAPI, SQLAlchemy and the queue write it. Each runs in an environment of its own.
"""
