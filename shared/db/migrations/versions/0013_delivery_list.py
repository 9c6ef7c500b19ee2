"""The list of a tenant's webhook deliveries, by state.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX webhook_deliveries_list ON webhook_deliveries (tenant_id, state, id)")


def downgrade() -> None:
    op.execute("DROP INDEX webhook_deliveries_list")
