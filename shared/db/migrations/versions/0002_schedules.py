"""Schedules, their ticks, and hourly statistics.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE schedules (
        id uuid CONSTRAINT schedules_pkey PRIMARY KEY,
        tenant_id integer NOT NULL CONSTRAINT schedules_tenant_id_fkey REFERENCES tenants,
        name text NOT NULL,
        cron text,
        every double precision,
        timezone text NOT NULL DEFAULT 'UTC',
        type text NOT NULL,
        input jsonb NOT NULL,
        queue text,
        enabled boolean NOT NULL DEFAULT true,
        catch_up text NOT NULL DEFAULT 'one',
        is_builtin boolean NOT NULL DEFAULT false,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        next_run timestamptz,
        last_run timestamptz,
        CONSTRAINT schedules_tenant_id_key UNIQUE (tenant_id, name),
        CONSTRAINT schedules_timing_check CHECK ((cron IS NULL) <> (every IS NULL)),
        CONSTRAINT schedules_every_check CHECK (every >= 1),
        CONSTRAINT schedules_catch_up_check CHECK (catch_up IN ('skip', 'one', 'all')),
        CONSTRAINT schedules_next_run_check CHECK ((next_run IS NOT NULL) = (enabled AND NOT is_builtin))
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX schedules_due ON schedules (next_run)",
    "CREATE INDEX schedules_list ON schedules (tenant_id, id)",
    # The same as shared.domain.schedule.BUILT_IN; a test holds the two together.
    """
    INSERT INTO schedules (id, tenant_id, name, cron, type, input, catch_up, is_builtin) VALUES
        ('00000000-0000-7000-8000-000000000001', 1, 'cleanup_old_tasks', '0 2 * * *', 'cleanup_old_tasks',
         '{}', 'one', true),
        ('00000000-0000-7000-8000-000000000002', 1, 'generate_hourly_stats', '0 * * * *', 'generate_hourly_stats',
         '{}', 'all', true)
    """,
    """
    CREATE TABLE schedule_ticks (
        schedule_id uuid NOT NULL CONSTRAINT schedule_ticks_schedule_id_fkey REFERENCES schedules ON DELETE CASCADE,
        tick_at timestamptz NOT NULL,
        tenant_id integer NOT NULL CONSTRAINT schedule_ticks_tenant_id_fkey REFERENCES tenants,
        task_id uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT schedule_ticks_pkey PRIMARY KEY (schedule_id, tick_at)
    )
    """,
    "CREATE INDEX ix_schedule_ticks_created_at ON schedule_ticks (created_at)",
    """
    CREATE TABLE hourly_stats (
        tenant_id integer NOT NULL CONSTRAINT hourly_stats_tenant_id_fkey REFERENCES tenants,
        hour timestamptz NOT NULL,
        type text NOT NULL,
        queue text NOT NULL,
        submitted integer NOT NULL,
        completed integer NOT NULL,
        failed integer NOT NULL,
        cancelled integer NOT NULL,
        unfinished integer NOT NULL,
        retried integer NOT NULL,
        wait_p50 double precision,
        wait_p95 double precision,
        wait_p99 double precision,
        run_p50 double precision,
        run_p95 double precision,
        run_p99 double precision,
        CONSTRAINT hourly_stats_pkey PRIMARY KEY (tenant_id, hour, type, queue)
    )
    """,
    "CREATE INDEX hourly_stats_unfinished ON hourly_stats (hour) WHERE unfinished > 0",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("hourly_stats", "schedule_ticks", "schedules"):
        op.execute(f"DROP TABLE {table}")
