"""How Alembic runs here: always on a connection that the ledger hands over, in one transaction."""

from alembic import context

from sftp_orchestrator.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
