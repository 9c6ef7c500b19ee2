"""Workflows: the functions that take one a step further in the statement that ends tasks of it.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# References: what a node's input takes from the nodes before it.
REFERENCES = (
    # RFC 6901: a step into an array is a number without a sign or leading zeros. NULL: there is nothing.
    """
    CREATE FUNCTION workflow_at(value jsonb, path jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE
        step text;
    BEGIN
        FOR step IN SELECT * FROM jsonb_array_elements_text(path) LOOP
            value := CASE jsonb_typeof(value)
                WHEN 'object' THEN value -> step
                WHEN 'array' THEN CASE WHEN step ~ '^(0|[1-9][0-9]{0,8})$' THEN value -> step::integer END
            END;
        END LOOP;
        RETURN value;
    END
    $$
    """,
    # The same fields as shared.domain.workflow.FIELDS; a test holds the two together.
    """
    CREATE FUNCTION workflow_view(flow uuid, node text) RETURNS jsonb LANGUAGE sql AS $$
        SELECT jsonb_build_object('status', n.state)
            || CASE WHEN t.id IS NULL THEN '{}' ELSE jsonb_build_object(
                   'id', t.id, 'type', t.type, 'queue', t.queue, 'input', t.input, 'attempt', t.attempt,
                   'generation', t.generation, 'tags', t.tags, 'metadata', t.metadata, 'created_at', t.created_at,
                   'started_at', t.started_at, 'finished_at', t.finished_at) END
            || CASE WHEN t.status = 'COMPLETED' THEN jsonb_build_object('result', t.result) ELSE '{}' END
            || CASE WHEN t.error IS NULL THEN '{}' ELSE jsonb_build_object('error', t.error - 'traceback') END
        FROM workflow_nodes n LEFT JOIN tasks t ON t.id = n.task_id AND t.tenant_id = n.tenant_id
        WHERE n.workflow_id = flow AND n.name = node
    $$
    """,
    """
    CREATE FUNCTION workflow_input(flow uuid, refs jsonb, INOUT input jsonb, OUT problem text)
    LANGUAGE plpgsql AS $$
    DECLARE
        ref jsonb;
        found jsonb;
    BEGIN
        FOR ref IN SELECT * FROM jsonb_array_elements(refs) LOOP
            found := workflow_at(workflow_view(flow, ref ->> 'of'), ref -> 'path');
            IF found IS NULL OR (ref -> 'at' = '[]' AND jsonb_typeof(found) <> 'object') THEN
                problem := format('%s: %s gave no %s%s.', ref ->> 'place', ref ->> 'of', ref ->> 'pointer',
                                  CASE WHEN ref -> 'at' = '[]' THEN ' that is an object' ELSE '' END);
                RETURN;
            END IF;
            input := CASE WHEN ref -> 'at' = '[]' THEN found
                ELSE jsonb_set(input, ARRAY(SELECT jsonb_array_elements_text(ref -> 'at')), found, false) END;
        END LOOP;
        IF octet_length(input::text) > 1048576 THEN
            problem := 'With what its references gave, the input is larger than 1048576 bytes.';
        END IF;
    END
    $$
    """,
)

# Their plans are kept for as long as a session lives, and the first may be made while the tables are empty: so no
# plan of theirs may read a table whole. All of them hold the lock of the workflow's row.
STEPS = (
    """
    CREATE FUNCTION workflow_release(flow uuid, ready text[]) RETURNS void
    LANGUAGE plpgsql SET enable_seqscan = off AS $$
    DECLARE
        node record;
        made record;
        spent bigint := 0;
    BEGIN
        UPDATE workflow_nodes n SET state = 'RELEASED', task_id = uuidv7()
        WHERE n.workflow_id = flow AND n.name = ANY(ready) AND n.state = 'WAITING' AND n.pending = 0;
        INSERT INTO tasks (id, tenant_id, type, queue, priority, max_attempts, timeout, input, metadata, tags,
                           request_id, traceparent, expires_at, run_at, callback_url, limits, workflow_id)
        SELECT n.task_id, n.tenant_id, s.type, s.queue, s.priority, s.max_attempts, s.timeout, n.input,
               COALESCE(s.metadata, '{}') || jsonb_build_object('workflow_id', flow, 'workflow_node', n.name),
               COALESCE(s.tags, '{}') || ('workflow:' || flow), w.request_id, w.traceparent, s.expires_at,
               COALESCE(s.run_at, now() + make_interval(secs => COALESCE((n.spec ->> 'delay')::float8, 0))),
               s.callback_url, COALESCE(s.limits, ''), flow
        FROM workflow_nodes n JOIN workflows w ON w.id = n.workflow_id AND w.tenant_id = n.tenant_id
        CROSS JOIN LATERAL jsonb_populate_record(NULL::tasks, n.spec) AS s
        WHERE n.workflow_id = flow AND n.name = ANY(ready) AND n.state = 'RELEASED';
        FOR node IN
            SELECT n.task_id, n.tenant_id, n.input, n.refs FROM workflow_nodes n
            WHERE n.workflow_id = flow AND n.name = ANY(ready) AND n.refs IS NOT NULL AND n.state = 'RELEASED'
            ORDER BY n.place
        LOOP
            -- What one statement copies is bounded: one that takes too long would be repeated for ever.
            IF spent > 33554432 THEN
                SELECT NULL::jsonb AS input, 'The results that were due at once came to more than 32 MiB.' AS problem
                INTO made;
            ELSE
                SELECT r.input, r.problem INTO made FROM workflow_input(flow, node.refs, node.input) AS r;
                spent := spent + octet_length(made.input::text);
            END IF;
            UPDATE tasks t SET input = made.input
            WHERE t.id = node.task_id AND t.tenant_id = node.tenant_id AND made.problem IS NULL;
            UPDATE tasks t
            SET status = 'FAILED', finished_at = now(), updated_at = now(), version = t.version + 1,
                error = jsonb_build_object('type', 'invalid_reference', 'message', made.problem, 'retryable', false)
            WHERE t.id = node.task_id AND t.tenant_id = node.tenant_id AND made.problem IS NOT NULL;
        END LOOP;
    END
    $$
    """,
    # What ended, and what a person sent back; what is lost with it; what may begin. Each of these once.
    """
    CREATE FUNCTION workflow_advance(flow uuid, noted uuid[]) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        moved_on text[];
        broken text[];
        gone text[];
        ready text[];
        more record;
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
        IF broken IS NOT NULL THEN
            WITH RECURSIVE lost (name) AS (
                SELECT unnest(broken)
                UNION
                SELECT n.name FROM lost
                JOIN workflow_nodes b ON b.workflow_id = flow AND b.name = lost.name
                CROSS JOIN LATERAL unnest(b.successors) AS s (name)
                JOIN workflow_nodes n ON n.workflow_id = flow AND n.name = s.name
                WHERE n.state = 'WAITING' AND n.on_failure = 'cancel'
            ), cancelled AS (
                UPDATE workflow_nodes n SET state = 'CANCELLED' FROM lost
                WHERE n.workflow_id = flow AND n.name = lost.name AND n.state = 'WAITING'
                RETURNING n.name
            )
            SELECT array_agg(name) INTO gone FROM cancelled;
        END IF;
        WITH counted AS (
            UPDATE workflow_nodes n SET pending = n.pending - c.steps
            FROM (
                SELECT s.name, sum(CASE WHEN d.state = 'RELEASED' THEN -1 ELSE 1 END) AS steps
                FROM workflow_nodes d CROSS JOIN LATERAL unnest(d.successors) AS s (name)
                WHERE d.workflow_id = flow AND d.name = ANY(moved_on || gone)
                GROUP BY s.name
            ) c
            WHERE n.workflow_id = flow AND n.name = c.name AND n.state = 'WAITING'
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

# Tasks of workflows that end are noted row by row, and followed once at the statement's end: then every workflow it
# touched can be locked in the order of ids, whichever task came first. Both conditions stand in WHEN: a statement
# over plain tasks never enters PL/pgSQL.
TRIGGERS = (
    """
    CREATE FUNCTION workflow_note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('taskrunner.noted',
            concat_ws(',', NULLIF(current_setting('taskrunner.noted', true), ''), NEW.id), true);
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER tasks_note BEFORE UPDATE OF status ON tasks FOR EACH ROW
        WHEN (NEW.workflow_id IS NOT NULL AND (NEW.finished_at IS NULL) <> (OLD.finished_at IS NULL))
        EXECUTE FUNCTION workflow_note()
    """,
    # A node that cannot begin ends as it is released: the loop follows that, too, and no trigger nests.
    """
    CREATE FUNCTION workflow_follow() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
    DECLARE
        noted uuid[];
        flow uuid;
    BEGIN
        PERFORM set_config('taskrunner.following', 'on', true);
        LOOP
            noted := string_to_array(NULLIF(current_setting('taskrunner.noted', true), ''), ',')::uuid[];
            EXIT WHEN noted IS NULL;
            PERFORM set_config('taskrunner.noted', '', true);
            FOR flow IN
                SELECT w.id FROM workflows w
                WHERE w.id IN (SELECT t.workflow_id FROM tasks t WHERE t.id = ANY(noted))
                ORDER BY w.id FOR NO KEY UPDATE
            LOOP
                PERFORM workflow_advance(flow, noted);
            END LOOP;
        END LOOP;
        PERFORM set_config('taskrunner.following', '', true);
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER tasks_follow AFTER UPDATE ON tasks FOR EACH STATEMENT
        WHEN (current_setting('taskrunner.noted', true) <> ''
              AND COALESCE(current_setting('taskrunner.following', true), '') = '')
        EXECUTE FUNCTION workflow_follow()
    """,
    # As tasks_call_back: the snapshot holds what a retry would overwrite, and no value may make it fail.
    """
    CREATE FUNCTION workflows_call_back() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO webhook_deliveries
            (id, tenant_id, workflow_id, generation, type, url, endpoint, state, is_due, finished_at, snapshot)
        SELECT uuidv7(), NEW.tenant_id, NEW.id, NEW.generation,
               'workflow.' || CASE WHEN NEW.failed > 0 THEN 'failed' WHEN NEW.cancelled > 0 THEN 'cancelled'
                                   ELSE 'completed' END,
               NEW.callback_url, COALESCE(lower(substring(NEW.callback_url FROM '^[^:]+://([^/?#]+)')), ''),
               CASE WHEN stopped THEN 'gone' ELSE 'waiting' END, NOT stopped, CASE WHEN stopped THEN now() END,
               jsonb_build_object(
                   'generation', NEW.generation, 'cancel_requested', NEW.cancel_requested, 'completed', NEW.completed,
                   'failed', NEW.failed, 'cancelled', NEW.cancelled, 'updated_at', NEW.updated_at,
                   'finished_at', NEW.finished_at)
        FROM (SELECT EXISTS (SELECT FROM webhook_deliveries d
                             WHERE d.workflow_id = NEW.id AND d.tenant_id = NEW.tenant_id AND d.state = 'gone')
             ) AS earlier (stopped);
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER workflows_call_back AFTER UPDATE ON workflows FOR EACH ROW
        WHEN (NEW.callback_url IS NOT NULL AND NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL)
        EXECUTE FUNCTION workflows_call_back()
    """,
)


def upgrade() -> None:
    for statement in (*REFERENCES, *STEPS, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for trigger in ("tasks_note", "tasks_follow"):
        op.execute(f"DROP TRIGGER {trigger} ON tasks")
    op.execute("DROP TRIGGER workflows_call_back ON workflows")
    for function in ("note", "follow", "advance", "release", "input", "view", "at"):
        op.execute(f"DROP FUNCTION workflow_{function}")
    op.execute("DROP FUNCTION workflows_call_back")
