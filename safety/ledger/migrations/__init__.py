"""Alembic's migrations of the ledger. `safety.ledger.schema` runs them; there is no configuration file."""
