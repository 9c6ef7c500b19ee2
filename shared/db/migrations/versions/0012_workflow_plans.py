"""Workflows: an end is followed by probes of an index, never by joins of a workflow with itself.

Revision ID: 0012
Revises: 0011
"""

from importlib import import_module

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# A chain of 10,000 nodes that was lost with its first took longer than a statement may: each of its 9,999 rounds read
# all that waits. Nodes travel as arrays of names now, and their state is spelled so that no index of what waits serves
# it: each round probes the primary key.
BEFORE = import_module("shared.db.migrations.versions.0011_workflow_steps")
ADVANCE = (
    """
    CREATE OR REPLACE FUNCTION workflow_advance(flow uuid, noted uuid[]) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        moved_on text[];
        broken text[];
        gone text[];
        ready text[];
        more record;
        after record;
    BEGIN
        WITH moved AS (
            UPDATE workflow_nodes n SET state = CASE WHEN t.finished_at IS NULL THEN 'RELEASED' ELSE t.status END
            FROM tasks t
            WHERE n.workflow_id = flow AND n.task_id = ANY(noted) AND t.id = n.task_id AND t.tenant_id = n.tenant_id
                  AND (n.state = 'RELEASED') = (t.finished_at IS NOT NULL)
            RETURNING n.name, old.state AS was, new.state AS is_now
        )
        SELECT array_agg(name) AS names, array_agg(name) FILTER (WHERE is_now IN ('FAILED', 'CANCELLED')) AS broken,
               count(*) FILTER (WHERE is_now = 'COMPLETED') AS completed,
               count(*) FILTER (WHERE is_now = 'FAILED') - count(*) FILTER (WHERE was = 'FAILED') AS failed,
               count(*) FILTER (WHERE is_now = 'CANCELLED') - count(*) FILTER (WHERE was = 'CANCELLED') AS cancelled
        INTO more FROM moved;
        moved_on := more.names;
        broken := more.broken;
        IF moved_on IS NULL THEN
            RETURN;
        END IF;
        WHILE broken IS NOT NULL LOOP
            WITH lost AS (
                UPDATE workflow_nodes n SET state = 'CANCELLED'
                WHERE n.workflow_id = flow AND n.state || '' = 'WAITING' AND n.on_failure = 'cancel'
                      AND n.name = ANY(ARRAY(
                    SELECT unnest(b.successors) FROM workflow_nodes b
                    WHERE b.workflow_id = flow AND b.name = ANY(broken)))
                RETURNING n.name
            )
            SELECT array_agg(name) INTO broken FROM lost;
            gone := gone || broken;
        END LOOP;
        SELECT array_agg(c.name) AS names, array_agg(c.steps) AS steps INTO after FROM (
            SELECT s.name, sum(CASE WHEN d.state = 'RELEASED' THEN -1 ELSE 1 END) AS steps
            FROM workflow_nodes d CROSS JOIN LATERAL unnest(d.successors) AS s (name)
            WHERE d.workflow_id = flow AND d.name = ANY(moved_on || gone)
            GROUP BY s.name
        ) c;
        WITH counted AS (
            UPDATE workflow_nodes n SET pending = n.pending - c.steps
            FROM unnest(after.names, after.steps) AS c (name, steps)
            WHERE n.workflow_id = flow AND n.name = c.name AND n.state || '' = 'WAITING'
            RETURNING n.name, n.pending
        )
        SELECT array_agg(name) FILTER (WHERE pending = 0) INTO ready FROM counted;
        -- One that had ended was sent back by a person: its next end is another one.
        UPDATE workflows w
        SET completed = w.completed + more.completed, failed = w.failed + more.failed,
            cancelled = w.cancelled + more.cancelled + COALESCE(cardinality(gone), 0),
            generation = w.generation + CASE WHEN w.finished_at IS NULL THEN 0 ELSE 1 END,
            cancel_requested = w.cancel_requested AND w.finished_at IS NULL, updated_at = now(),
            finished_at = CASE WHEN w.completed + w.failed + w.cancelled + more.completed + more.failed
                                    + more.cancelled + COALESCE(cardinality(gone), 0) = w.total THEN now() END
        WHERE w.id = flow;
        IF ready IS NOT NULL THEN
            PERFORM workflow_release(flow, ready);
        END IF;
    END
    $$
    """,
)
FUNCTIONS = ("workflow_follow()", "workflow_release(uuid, text[])")
WAYS = ("enable_hashjoin", "enable_mergejoin", "enable_material")


# Nodes that go on after failures and cannot begin could follow each other for longer than a statement may take.
BOUND = """
            rounds := rounds + 1;
            IF rounds > 1000 THEN
                WITH lost AS (
                    UPDATE workflow_nodes n SET state = 'CANCELLED'
                    WHERE n.state = 'WAITING' AND n.workflow_id IN (
                        SELECT t.workflow_id FROM tasks t WHERE t.id = ANY(noted))
                    RETURNING n.workflow_id
                )
                UPDATE workflows w SET cancelled = w.cancelled + l.number
                FROM (SELECT lost.workflow_id, count(*) AS number FROM lost GROUP BY lost.workflow_id) l
                WHERE w.id = l.workflow_id;
            END IF;
            FOR flow IN"""


def upgrade() -> None:
    op.execute(ADVANCE[0])
    follow = _again("workflow_follow").replace("flow uuid;", "flow uuid;\n        rounds integer := 0;")
    op.execute(follow.replace("\n            FOR flow IN", BOUND))
    op.execute(_again("workflow_release").replace("n.state = 'WAITING'", "n.state || '' = 'WAITING'"))
    for function in FUNCTIONS:
        for way in WAYS:
            op.execute(f"ALTER FUNCTION {function} SET {way} = off")


def downgrade() -> None:
    for name in ("workflow_advance", "workflow_release", "workflow_follow"):
        op.execute(_again(name))


def _again(name: str) -> str:
    """The function as the revision before made it."""
    [before] = [text for text in (*BEFORE.STEPS, *BEFORE.TRIGGERS) if f"CREATE FUNCTION {name}(" in text]
    return str(before).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
