"""What lies in the bucket for a record is remembered by size and hash, so that it can be checked without reading it."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN outputs jsonb;
        COMMENT ON COLUMN records.outputs IS
            'Size and SHA-256 of each file in its folder, as last reported; null: made before they were noted.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE records DROP COLUMN outputs")
