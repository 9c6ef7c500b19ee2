"""Limits: their names in each task, indexes of the tasks that have any, rates; and claims in turn by tenant.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE tasks ADD COLUMN limits text NOT NULL DEFAULT ''",
    "DROP INDEX tasks_claim",
    """
    CREATE INDEX tasks_claim ON tasks (queue, tenant_id, limits, priority, run_at)
        WHERE status IN ('PENDING', 'RETRYING')
    """,
    """
    CREATE INDEX tasks_limited ON tasks (queue, tenant_id, limits)
        WHERE limits <> '' AND status IN ('PENDING', 'RETRYING')
    """,
    """
    CREATE INDEX tasks_limited_running ON tasks (tenant_id, limits)
        WHERE limits <> '' AND status = 'PROCESSING'
    """,
    """
    CREATE TABLE rates (
        name text CONSTRAINT rates_pkey PRIMARY KEY,
        busy_until timestamptz NOT NULL
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE rates")
    for index in ("tasks_limited_running", "tasks_limited", "tasks_claim"):
        op.execute(f"DROP INDEX {index}")
    op.execute("ALTER TABLE tasks DROP COLUMN limits")
    op.execute("CREATE INDEX tasks_claim ON tasks (queue, priority, run_at) WHERE status IN ('PENDING', 'RETRYING')")
