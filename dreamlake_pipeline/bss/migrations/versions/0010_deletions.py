"""What was deleted is remembered until the index was told."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE deletions (
            record_id  text COLLATE "C" PRIMARY KEY,
            kind       text NOT NULL,
            owner      text NOT NULL,
            project    text NOT NULL,
            episode    text,
            name       text NOT NULL,
            deleted_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX deletions_by_age ON deletions (deleted_at);
        COMMENT ON TABLE deletions IS
            'Records that were deleted and whose names the index may still have; a row goes when it was told.'""")


def downgrade() -> None:
    op.execute("DROP TABLE deletions")
