"""The engine for plain arq jobs on a real Valkey: what arq documents, and what is better here."""
