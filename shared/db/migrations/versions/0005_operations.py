"""Operations: one verb over many tasks, done in steps.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE operations (
        id uuid CONSTRAINT operations_pkey PRIMARY KEY,
        tenant_id integer NOT NULL CONSTRAINT operations_tenant_id_fkey REFERENCES tenants,
        action text NOT NULL,
        state text NOT NULL DEFAULT 'running',
        ids uuid[],
        filter jsonb,
        until uuid NOT NULL,
        cursor uuid NOT NULL,
        total integer,
        matched integer NOT NULL DEFAULT 0,
        done integer NOT NULL DEFAULT 0,
        skipped jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CONSTRAINT operations_action_check CHECK (action IN ('cancel', 'retry', 'delete')),
        CONSTRAINT operations_state_check CHECK (state IN ('running', 'done', 'cancelled')),
        CONSTRAINT operations_finished_at_check CHECK ((finished_at IS NULL) = (state = 'running'))
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX operations_list ON operations (tenant_id, id)",
    "CREATE INDEX operations_running ON operations (id) WHERE state = 'running'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE operations")
