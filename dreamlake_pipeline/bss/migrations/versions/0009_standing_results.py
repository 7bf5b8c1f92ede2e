"""A result stays until another one takes its place: an attempt that fails after it does not make the record fail."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN last_error jsonb CHECK (last_error IS NULL OR status = 'ready');
        COMMENT ON COLUMN records.last_error IS
            'Why the last attempt failed of a record whose earlier result stands; null: the last attempt made it.';
        COMMENT ON COLUMN records.ready_at IS
            'When it was last ready; with metadata, its result is played whatever the next attempt does.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE records DROP COLUMN last_error")
