"""Rendering of task statistics. Private to ``generate_report``; pure functions, defines no task type."""
