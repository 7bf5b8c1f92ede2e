"""A record knows the request that registered it, so that a file is followed from its client to its run."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN request_id text COLLATE "C";
        COMMENT ON COLUMN records.request_id IS
            'X-Request-ID of its registration, which the logs of client, services and runs name; null: it is older.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE records DROP COLUMN request_id")
