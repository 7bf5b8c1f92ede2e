"""How CSV files are written, as the owners of label files and of projects told."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN csv jsonb CHECK (csv IS NULL OR kind = 'label-track');
        COMMENT ON COLUMN records.csv IS
            'Options that say how the file is written; {}: all is found out; null: as the project says.';
        ALTER TABLE projects ADD COLUMN csv jsonb;
        COMMENT ON COLUMN projects.csv IS 'As in records; null: all is found out.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE records DROP COLUMN csv; ALTER TABLE projects DROP COLUMN csv")
