"""Alembic's migrations: each takes an older ledger one step further."""
