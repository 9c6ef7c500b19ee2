"""A database that has grown: tasks of 200 tenants in every state, their attempts, webhooks, workflows and audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tests.support.servers import Servers

# Of forty tasks 32 are done, 1 failed, 1 runs, and 6 wait, 1 of them for tomorrow; of 200 tenants; ids as UUIDv7 are.
SEED = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, status, lease, worker_id, max_attempts, timeout, input,
                       created_at, run_at, started_at, finished_at, expires_at, tags, limits)
    SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
           1 + n / 40 % 200, 'simple_calculation',
           (ARRAY['urgent', 'ai_processing', 'demo_tasks'])[1 + n % 3], n / 3 % 10, s.status,
           CASE WHEN s.status = 'PROCESSING' THEN gen_random_uuid() END,
           CASE WHEN s.status IN ('PROCESSING', 'COMPLETED') THEN gen_random_uuid() END,
           4, 60, jsonb_build_object('n', n), now() - interval '1 day',
           now() + CASE WHEN n % 40 = 38 THEN interval '1 day' ELSE interval '-1 day' END,
           CASE WHEN s.status IN ('PROCESSING', 'COMPLETED') THEN now() - interval '1 hour' END,
           CASE WHEN s.status IN ('COMPLETED', 'FAILED') THEN now() END,
           CASE WHEN n % 50 = 0 THEN now() + interval '1 hour' END, ARRAY['tag' || n % 100],
           -- Of one tenant half have a limit, most of them the same.
           CASE WHEN n / 40 % 200 = 3 AND n % 2 = 0 THEN 'key:' || CASE WHEN n % 80 = 0 THEN n ELSE 0 END ELSE '' END
    FROM generate_series(1, 40000) AS n,
         LATERAL (SELECT CASE WHEN n % 40 < 32 THEN 'COMPLETED' WHEN n % 40 = 32 THEN 'FAILED'
                              WHEN n % 40 = 33 THEN 'PROCESSING' WHEN n % 40 = 34 THEN 'RETRYING'
                              ELSE 'PENDING' END AS status) s
"""
ATTEMPTS = """
    INSERT INTO attempts (task_id, version, attempt, generation, started_at, finished_at, outcome)
    SELECT id, 3, 1, 1, now(), now(), 'retried' FROM tasks LIMIT 20000
"""


AUDIT = """
    INSERT INTO audit_log (id, tenant_id, action, target, details)
    SELECT t.id, t.tenant_id, 'queue.pause', 'demo_tasks', '{}' FROM tasks t LIMIT 20000
"""
# 5,000 deliveries of each of four tenants: 90 % are delivered, 5 % failed, 4 % wait, of 1 % the receiver is gone.
DELIVERIES = """
    INSERT INTO webhook_deliveries (id, tenant_id, task_id, generation, type, url, endpoint, state, is_due, finished_at,
                                    snapshot)
    SELECT t.id, 1 + t.n % 4, t.id, 1, 'task.completed', 'https://a/', 'a', s.state, s.state = 'waiting',
           CASE WHEN s.state <> 'waiting' THEN now() END, '{}'
    FROM (SELECT t.*, row_number() OVER () AS n FROM tasks t LIMIT 20000) t CROSS JOIN LATERAL (
        SELECT CASE WHEN t.n % 100 < 90 THEN 'delivered' WHEN t.n % 100 < 95 THEN 'failed'
               WHEN t.n % 100 < 99 THEN 'waiting' ELSE 'gone' END AS state) s
"""
FLOWS = """
    INSERT INTO workflows (id, tenant_id, total)
    SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
           1 + n % 200, 20
    FROM generate_series(1, 2000) AS n
"""
# A node of each task: of twenty in a workflow 16 have ended, 1 waits.
FLOW_NODES = """
    INSERT INTO workflow_nodes (workflow_id, name, tenant_id, place, state, pending, on_failure, task_id, after,
                                successors, spec, input)
    SELECT CAST(lpad(to_hex(1700000000000 + k.n), 12, '0') || '70008000' || lpad(to_hex(k.n), 12, '0') AS uuid),
           'n' || k.place, t.tenant_id, k.place, CASE k.place WHEN 18 THEN 'WAITING' WHEN 19 THEN 'RELEASED'
           ELSE 'COMPLETED' END, 0, 'cancel', CASE WHEN k.place <> 18 THEN t.id END, ARRAY[]::text[],
           ARRAY['n' || k.place + 1], '{}', '{}'
    FROM (SELECT t.*, row_number() OVER (ORDER BY t.id) AS number FROM tasks t) t
    CROSS JOIN LATERAL (SELECT 1 + (t.number - 1) / 20 AS n, (t.number - 1) % 20 AS place) k
"""


@asynccontextmanager
async def crowded(servers: Servers, *more: str) -> AsyncIterator[AsyncConnection]:
    """A database of 40,000 tasks with attempts and workflows, and what the statements ``more`` add; analysed."""
    with servers.lend_database() as url:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as opened:
            await opened.exec_driver_sql("INSERT INTO tenants (id, name) SELECT n, n FROM generate_series(2, 200) AS n")
            for statement in (SEED, ATTEMPTS, FLOWS, FLOW_NODES, *more):
                await opened.exec_driver_sql(statement)
            await opened.execute(text("VACUUM ANALYZE"))
            yield opened
        await engine.dispose()
