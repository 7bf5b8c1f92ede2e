"""A record knows the request that registered it, so that a file is followed from its client to its run; what failed is
counted by an index."""

from alembic import op

from dreamlake_pipeline.migrations import create_index

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("records_failed", "records (id) WHERE status = 'failed'")
    op.execute("""
        ALTER TABLE records ADD COLUMN request_id text COLLATE "C";
        COMMENT ON COLUMN records.request_id IS
            'X-Request-ID of its registration, which the logs of client, services and runs name; null: it is older.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE records DROP COLUMN request_id; DROP INDEX records_failed")
