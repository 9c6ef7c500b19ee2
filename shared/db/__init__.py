"""PostgreSQL: the engine, the one session layer, the schema and every statement. Nobody else writes SQL."""
