"""A tenant pauses its own part of a queue, and nobody else's.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was paused so far was the only tenant's there was.
    op.execute("ALTER TABLE queues ADD COLUMN tenant_id integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE queues ALTER COLUMN tenant_id DROP DEFAULT")
    op.execute("ALTER TABLE queues ADD CONSTRAINT queues_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants")
    op.execute("ALTER TABLE queues DROP CONSTRAINT queues_pkey")
    op.execute("ALTER TABLE queues ADD CONSTRAINT queues_pkey PRIMARY KEY (tenant_id, name)")


def downgrade() -> None:
    op.execute("ALTER TABLE queues DROP CONSTRAINT queues_pkey")
    op.execute("DELETE FROM queues WHERE tenant_id <> 1")
    op.execute("ALTER TABLE queues DROP COLUMN tenant_id")
    op.execute("ALTER TABLE queues ADD CONSTRAINT queues_pkey PRIMARY KEY (name)")
