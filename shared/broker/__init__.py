"""Redis: hints that tasks are due, live progress, streamed output and announcements. All of it may be lost."""
