"""What the client's models name of what the service answers."""

from __future__ import annotations

import pytest

from service.app import build
from service.client import key_models, models, operator_models, workflow_models
from shared.registry import discover
from shared.settings import Settings

SCHEMAS = build(Settings(_env_file=None), discover()).openapi()["components"]["schemas"]
READ_AS: dict[str, type[models.Answer]] = {
    "AttemptView": models.Attempt,
    "AuditView": key_models.AuditEntry,
    "BatchItem": models.TaskRef,
    "CountsView": operator_models.Counts,
    "DeliveryAttemptView": models.DeliveryAttempt,
    "DeliveryView": models.Delivery,
    "ErrorView": models.TaskError,
    "FileView": models.FileInfo,
    "HealthView": models.Health,
    "IssuedKeyView": key_models.Key,
    "NodeView": workflow_models.Node,
    "OperationView": models.Operation,
    "ProgressView": models.Progress,
    "PurgeView": operator_models.Purge,
    "QueueAge": models.QueueAge,
    "QueueView": operator_models.Queue,
    "ScheduleView": models.Schedule,
    "StatsItem": operator_models.TypeStats,
    "StatsView": operator_models.Stats,
    "TaskTypeView": models.TaskType,
    "TaskView": models.Task,
    "ThroughputMinute": operator_models.Minute,
    "WebhookSecretView": models.WebhookSecret,
    "WorkerView": models.Worker,
    "WorkflowProgressView": workflow_models.WorkflowProgress,
    "WorkflowView": workflow_models.Workflow,
}
PATHS = {"links"}
"""The verbs know them."""


@pytest.mark.parametrize("view", READ_AS)
def test_a_model_names_every_field_that_the_document_does(view: str) -> None:
    """Any other is kept as it came: a time as a text, and unknown to type checkers."""
    assert SCHEMAS[view]["properties"].keys() - PATHS <= READ_AS[view].model_fields.keys()
