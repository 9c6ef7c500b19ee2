"""Every table of the database: who imports ``Base`` from here sees them all."""

from shared.db import (
    audit_models,
    limit_models,
    models,
    operation_models,
    schedule_models,
    webhook_models,
    workflow_models,
)
from shared.db.models import Base

MODELS = (
    audit_models,
    limit_models,
    models,
    operation_models,
    schedule_models,
    webhook_models,
    workflow_models,
)

__all__ = ["MODELS", "Base"]
