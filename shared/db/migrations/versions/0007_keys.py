"""Keys end, are rotated, and tell when they were last used.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE api_keys
            ADD COLUMN expires_at timestamptz,
            ADD COLUMN last_used_at timestamptz,
            ADD COLUMN replaced_by text
    """)


def downgrade() -> None:
    # An older release knows no end of a key: one that has ended must not come back to life.
    op.execute("UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL AND expires_at IS NOT NULL")
    op.execute("ALTER TABLE api_keys DROP COLUMN expires_at, DROP COLUMN last_used_at, DROP COLUMN replaced_by")
