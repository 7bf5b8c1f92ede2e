"""A record knows when it was given another name than it was uploaded under."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN moved_at timestamptz;
        COMMENT ON COLUMN records.moved_at IS
            'When it was given the episode and name that it has; null: it was uploaded under them.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE records DROP COLUMN moved_at")
