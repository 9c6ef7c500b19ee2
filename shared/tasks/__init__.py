"""One module per task type; and what a task module imports.

from shared.tasks import Run, TaskModel, task
"""

from shared.domain.definition import TaskDefinition, TaskModel, task
from shared.domain.errors import Fatal, FileMissing, MissingExtra, ProviderUnavailable, Retry
from shared.domain.retry import DEFAULT_RETRY, ByError, Exponential, Never
from shared.domain.run import BlockingRun, ChatMessage, Run, StatsRow, StoredFile

__all__ = [
    "DEFAULT_RETRY",
    "BlockingRun",
    "ByError",
    "ChatMessage",
    "Exponential",
    "Fatal",
    "FileMissing",
    "MissingExtra",
    "Never",
    "ProviderUnavailable",
    "Retry",
    "Run",
    "StatsRow",
    "StoredFile",
    "TaskDefinition",
    "TaskModel",
    "task",
]
