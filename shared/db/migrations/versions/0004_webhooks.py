"""Webhooks: the secrets of tenants, the deliveries, and the trigger that writes one as a task ends.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE webhook_secrets (
        tenant_id integer NOT NULL CONSTRAINT webhook_secrets_tenant_id_fkey REFERENCES tenants,
        salt bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        CONSTRAINT webhook_secrets_pkey PRIMARY KEY (tenant_id, salt)
    )
    """,
    "CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (tenant_id) WHERE expires_at IS NULL",
    """
    CREATE TABLE webhook_deliveries (
        id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
        tenant_id integer NOT NULL CONSTRAINT webhook_deliveries_tenant_id_fkey REFERENCES tenants,
        task_id uuid NOT NULL CONSTRAINT webhook_deliveries_task_id_fkey REFERENCES tasks ON DELETE CASCADE,
        generation smallint NOT NULL,
        type text NOT NULL,
        url text NOT NULL,
        endpoint text NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        step smallint NOT NULL DEFAULT 0,
        attempt integer NOT NULL DEFAULT 0,
        lease uuid,
        is_due boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        snapshot jsonb NOT NULL,
        attempts jsonb NOT NULL DEFAULT '[]',
        CONSTRAINT webhook_deliveries_task_id_key UNIQUE (task_id, generation),
        CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('waiting', 'delivered', 'failed', 'gone')),
        CONSTRAINT webhook_deliveries_lease_check CHECK (lease IS NULL OR (state = 'waiting' AND NOT is_due)),
        CONSTRAINT webhook_deliveries_is_due_check CHECK (state = 'waiting' OR NOT is_due),
        CONSTRAINT webhook_deliveries_finished_at_check CHECK ((finished_at IS NULL) = (state = 'waiting'))
    )
    """,
    "CREATE INDEX webhook_deliveries_lanes ON webhook_deliveries (tenant_id, endpoint, due_at) WHERE is_due",
    "CREATE INDEX webhook_deliveries_later ON webhook_deliveries (due_at) WHERE state = 'waiting' AND NOT is_due",
    "CREATE INDEX webhook_deliveries_held ON webhook_deliveries (tenant_id, endpoint) WHERE lease IS NOT NULL",
)

OUTBOX = (
    # The id is a UUIDv7. The snapshot holds what a manual retry would overwrite; input, result and the like stay
    # the task's. A receiver that answered 410 to an earlier generation gets nothing more of this task. No value may
    # make it fail: that would keep the task from ending.
    """
    CREATE FUNCTION tasks_call_back() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO webhook_deliveries
            (id, tenant_id, task_id, generation, type, url, endpoint, state, is_due, finished_at, snapshot)
        SELECT encode(set_bit(set_bit(overlay(
                   uuid_send(gen_random_uuid())
                   PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                   FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid,
               NEW.tenant_id, NEW.id, NEW.generation, 'task.' || lower(NEW.status), NEW.callback_url,
               COALESCE(lower(substring(NEW.callback_url FROM '^[^:]+://([^/?#]+)')), ''),
               CASE WHEN stopped THEN 'gone' ELSE 'waiting' END, NOT stopped, CASE WHEN stopped THEN now() END,
               jsonb_build_object(
                   'status', NEW.status, 'version', NEW.version, 'attempt', NEW.attempt,
                   'generation', NEW.generation, 'cancel_requested', NEW.cancel_requested,
                   'worker_id', NEW.worker_id, 'updated_at', NEW.updated_at, 'run_at', NEW.run_at,
                   'started_at', NEW.started_at, 'finished_at', NEW.finished_at, 'outcome', NEW.outcome,
                   'error', NEW.error - 'traceback', 'progress', NEW.progress)
        FROM (SELECT EXISTS (SELECT FROM webhook_deliveries d
                             WHERE d.task_id = NEW.id AND d.tenant_id = NEW.tenant_id AND d.state = 'gone')
             ) AS earlier (stopped)
        ON CONFLICT (task_id, generation) DO NOTHING;
        RETURN NULL;
    END
    $$
    """,
    # The condition stands in WHEN: a task without a callback never enters PL/pgSQL.
    """
    CREATE TRIGGER tasks_call_back AFTER UPDATE ON tasks FOR EACH ROW
        WHEN (NEW.callback_url IS NOT NULL AND NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL)
        EXECUTE FUNCTION tasks_call_back()
    """,
)


def upgrade() -> None:
    for statement in (*TABLES, *OUTBOX):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER tasks_call_back ON tasks")
    op.execute("DROP FUNCTION tasks_call_back()")
    for table in ("webhook_deliveries", "webhook_secrets"):
        op.execute(f"DROP TABLE {table}")
