-- A row of every kind as a release at revision 0012 left it. Names only what that schema has: never to be modernised.

INSERT INTO tasks (id, tenant_id, type, queue, priority, status, version, lease, worker_id, attempt, max_attempts,
                   timeout, run_at, started_at, finished_at, outcome, input, result, error, metadata, tags)
SELECT t.id::uuid, 1, 'simple_calculation', 'demo_tasks', 5, t.status, t.version,
       CASE WHEN t.status = 'PROCESSING' THEN gen_random_uuid() END,
       CASE WHEN t.attempt > 0 AND t.status <> 'RETRYING' THEN '01930000-0000-7000-8000-0000000000aa'::uuid END,
       t.attempt, 4, 60, now() + t.due::interval, CASE WHEN t.attempt > 0 THEN now() END,
       CASE WHEN t.status IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN now() END, t.outcome,
       '{"a": 1, "b": 2, "operation": "add"}', t.result::jsonb, t.error::jsonb, '{"customer": 7}', ARRAY['kept']
FROM (VALUES
    ('01930000-0000-7000-8000-000000000001', 'PENDING', 1, 0, '-1 min', NULL, NULL, NULL),
    ('01930000-0000-7000-8000-000000000002', 'RETRYING', 3, 1, '-1 min', 'retried', NULL,
     '{"type": "OSError", "message": "x", "retryable": true}'),
    ('01930000-0000-7000-8000-000000000003', 'PROCESSING', 2, 1, '-1 min', 'running', NULL, NULL),
    ('01930000-0000-7000-8000-000000000004', 'COMPLETED', 3, 1, '-1 min', 'completed',
     '{"operation": "add", "result": 3}', NULL),
    ('01930000-0000-7000-8000-000000000005', 'FAILED', 3, 1, '-1 min', 'failed', NULL,
     '{"type": "ValueError", "message": "no", "retryable": false}'),
    ('01930000-0000-7000-8000-000000000006', 'CANCELLED', 2, 0, '-1 min', NULL, NULL, NULL),
    ('01930000-0000-7000-8000-000000000007', 'PENDING', 1, 0, '1 day', NULL, NULL, NULL)
) AS t (id, status, version, attempt, due, outcome, result, error);

INSERT INTO attempts (task_id, version, attempt, generation, worker_id, started_at, finished_at, outcome, error)
VALUES ('01930000-0000-7000-8000-000000000002', 2, 1, 1, '01930000-0000-7000-8000-0000000000aa', now(), now(),
        'retried', '{"type": "OSError", "message": "x", "retryable": true}');

INSERT INTO workers (id, hostname, pid, queues, types, missing, concurrency, pool_size, pool_overflow, version)
VALUES ('01930000-0000-7000-8000-0000000000aa', 'gone', 1, '{demo_tasks}', '{simple_calculation}', '{}', 10, 5, 5,
        '0.1.0');

INSERT INTO queues (tenant_id, name, paused) VALUES (1, 'urgent', true);

INSERT INTO files (id, tenant_id, name, size, sha256, media_type)
VALUES ('01930000-0000-7000-8000-0000000000f1', 1, 'kept.txt', 4, 'abcd', 'text/plain');

INSERT INTO idempotency_keys (tenant_id, key, digest, status, headers, body)
VALUES (1, 'kept', '\x01', 201, '{}', '\x02');

INSERT INTO api_keys (id, tenant_id, name, scopes, hash) VALUES ('kept', 1, 'kept', '{admin}', '\x03');

INSERT INTO schedules (id, tenant_id, name, every, type, input, next_run)
VALUES ('01930000-0000-7000-8000-0000000000c1', 1, 'kept', 3600, 'simple_calculation',
        '{"a": 1, "b": 2, "operation": "add"}', now() + interval '1 hour');

INSERT INTO schedule_ticks (schedule_id, tick_at, tenant_id, task_id)
VALUES ('01930000-0000-7000-8000-0000000000c1', now(), 1, '01930000-0000-7000-8000-000000000004');

INSERT INTO hourly_stats (tenant_id, hour, type, queue, submitted, completed, failed, cancelled, unfinished, retried)
VALUES (1, date_trunc('hour', now()), 'simple_calculation', 'demo_tasks', 1, 1, 0, 0, 0, 0);

INSERT INTO webhook_secrets (tenant_id, salt) VALUES (1, '\x04');

INSERT INTO webhook_deliveries (id, tenant_id, task_id, generation, type, url, endpoint, snapshot)
VALUES ('01930000-0000-7000-8000-0000000000d1', 1, '01930000-0000-7000-8000-000000000005', 1, 'task.failed',
        'https://hooks.example/', 'hooks.example', '{"status": "FAILED"}');

INSERT INTO operations (id, tenant_id, action, filter, until, cursor)
VALUES ('01930000-0000-7000-8000-0000000000e1', 1, 'cancel', '{"tag": ["nobody"]}',
        '01930000-0000-7000-8000-0000000000ff', '00000000-0000-0000-0000-000000000000');

INSERT INTO audit_log (id, tenant_id, action, target, details)
VALUES ('01930000-0000-7000-8000-0000000000b1', 1, 'queue.pause', 'urgent', '{}');

INSERT INTO rates (name, busy_until) VALUES ('kept', now());

INSERT INTO workflows (id, tenant_id, name, total, completed)
VALUES ('01930000-0000-7000-8000-0000000000a1', 1, 'kept', 2, 1);

INSERT INTO workflow_nodes (workflow_id, name, tenant_id, place, state, pending, on_failure, task_id, after,
                            successors, spec, input)
VALUES ('01930000-0000-7000-8000-0000000000a1', 'first', 1, 0, 'COMPLETED', 0, 'cancel',
        '01930000-0000-7000-8000-000000000004', '{}', '{second}', '{}', '{}'),
       ('01930000-0000-7000-8000-0000000000a1', 'second', 1, 1, 'RELEASED', 0, 'cancel',
        '01930000-0000-7000-8000-000000000007', '{first}', '{}', '{}', '{}');

UPDATE tasks SET workflow_id = '01930000-0000-7000-8000-0000000000a1'
WHERE id IN ('01930000-0000-7000-8000-000000000004', '01930000-0000-7000-8000-000000000007');
