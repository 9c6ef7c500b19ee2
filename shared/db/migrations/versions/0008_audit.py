"""What operators did, and with which key.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE audit_log (
            id uuid CONSTRAINT audit_log_pkey PRIMARY KEY,
            tenant_id integer NOT NULL CONSTRAINT audit_log_tenant_id_fkey REFERENCES tenants,
            at timestamptz NOT NULL DEFAULT now(),
            key_id text,
            action text NOT NULL,
            target text NOT NULL,
            details jsonb NOT NULL,
            request_id text
        )
    """)
    op.execute("CREATE INDEX audit_log_list ON audit_log (tenant_id, id)")


def downgrade() -> None:
    op.execute("DROP TABLE audit_log")
