"""Every table of the database: who imports ``Base`` from here sees them all."""

from shared.db import models, schedule_models, webhook_models
from shared.db.models import Base

MODELS = (models, schedule_models, webhook_models)

__all__ = ["MODELS", "Base"]
