"""Workflows: their tables, and what tasks and webhook deliveries know of them. The steps follow in the next one.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE workflows (
        id uuid CONSTRAINT workflows_pkey PRIMARY KEY,
        tenant_id integer NOT NULL CONSTRAINT workflows_tenant_id_fkey REFERENCES tenants,
        name text,
        generation smallint NOT NULL DEFAULT 1,
        cancel_requested boolean NOT NULL DEFAULT false,
        total integer NOT NULL,
        completed integer NOT NULL DEFAULT 0,
        failed integer NOT NULL DEFAULT 0,
        cancelled integer NOT NULL DEFAULT 0,
        callback_url text,
        request_id text,
        traceparent text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CONSTRAINT workflows_finished_at_check
            CHECK ((finished_at IS NOT NULL) = (completed + failed + cancelled = total))
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX workflows_list ON workflows (tenant_id, id)",
    "CREATE INDEX workflows_cancelling ON workflows (id) WHERE cancel_requested AND finished_at IS NULL",
    """
    CREATE TABLE workflow_nodes (
        workflow_id uuid NOT NULL CONSTRAINT workflow_nodes_workflow_id_fkey REFERENCES workflows ON DELETE CASCADE,
        name text NOT NULL,
        tenant_id integer NOT NULL CONSTRAINT workflow_nodes_tenant_id_fkey REFERENCES tenants,
        place integer NOT NULL,
        state text NOT NULL DEFAULT 'WAITING',
        pending integer NOT NULL,
        on_failure text NOT NULL,
        task_id uuid,
        after text[] NOT NULL,
        successors text[] NOT NULL,
        spec jsonb NOT NULL,
        input jsonb NOT NULL,
        refs jsonb,
        CONSTRAINT workflow_nodes_pkey PRIMARY KEY (workflow_id, name),
        CONSTRAINT workflow_nodes_state_check
            CHECK (state IN ('WAITING', 'RELEASED', 'COMPLETED', 'FAILED', 'CANCELLED')),
        CONSTRAINT workflow_nodes_task_id_check
            CHECK (CASE state WHEN 'WAITING' THEN task_id IS NULL WHEN 'CANCELLED' THEN true
                   ELSE task_id IS NOT NULL END),
        CONSTRAINT workflow_nodes_pending_check CHECK (pending >= 0),
        CONSTRAINT workflow_nodes_on_failure_check CHECK (on_failure IN ('cancel', 'continue'))
    ) WITH (fillfactor = 80)
    """,
    "CREATE UNIQUE INDEX workflow_nodes_task ON workflow_nodes (task_id) WHERE task_id IS NOT NULL",
    "CREATE INDEX workflow_nodes_waiting ON workflow_nodes (workflow_id) WHERE state = 'WAITING'",
    # No foreign key and no index: a plain task must cost what it cost before. The nodes know their tasks.
    "ALTER TABLE tasks ADD COLUMN workflow_id uuid",
    "ALTER TABLE webhook_deliveries ALTER COLUMN task_id DROP NOT NULL",
    """
    ALTER TABLE webhook_deliveries ADD COLUMN workflow_id uuid
        CONSTRAINT webhook_deliveries_workflow_id_fkey REFERENCES workflows ON DELETE CASCADE
    """,
    """
    ALTER TABLE webhook_deliveries
        ADD CONSTRAINT webhook_deliveries_subject_check CHECK ((task_id IS NULL) <> (workflow_id IS NULL))
    """,
    """
    CREATE UNIQUE INDEX webhook_deliveries_workflow ON webhook_deliveries (workflow_id, generation)
        WHERE workflow_id IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DELETE FROM webhook_deliveries WHERE task_id IS NULL")
    op.execute("DROP INDEX webhook_deliveries_workflow")
    op.execute("ALTER TABLE webhook_deliveries DROP COLUMN workflow_id")
    op.execute("ALTER TABLE webhook_deliveries ALTER COLUMN task_id SET NOT NULL")
    op.execute("ALTER TABLE tasks DROP COLUMN workflow_id")
    for table in ("workflow_nodes", "workflows"):
        op.execute(f"DROP TABLE {table}")
