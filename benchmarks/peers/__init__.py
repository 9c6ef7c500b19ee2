"""Other task queues, one small adapter a file: a no-op task, and how it is submitted in the library's documented way.

An adapter runs in a virtual environment of its own, never in ours, and imports nothing of ours but ``protocol``.
"""
