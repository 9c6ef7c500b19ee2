"""Alembic's entry: runs on the connection that ``shared.db.migrate`` hands over.

A transaction for each migration: what one has locked is free again before the next begins.
"""

from alembic import context

from shared.db.schema import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
