"""A task may have a unique key: one of its type and key waits or runs at a time.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE tasks ADD COLUMN unique_key bytea")
    # Tasks without a key are not in it: they pay nothing.
    op.execute("""
        CREATE UNIQUE INDEX tasks_unique ON tasks (tenant_id, type, unique_key)
            WHERE unique_key IS NOT NULL AND status IN ('PENDING', 'RETRYING', 'PROCESSING')
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE tasks DROP COLUMN unique_key")
