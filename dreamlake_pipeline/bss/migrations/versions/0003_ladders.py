"""Ladders of videos and of projects."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN ladder integer[] CHECK (ladder IS NULL OR kind = 'video');
        COMMENT ON COLUMN records.ladder IS 'Heights of smaller streams; empty: none; null: as the project says.';

        CREATE TABLE projects (
            owner      text NOT NULL,
            project    text NOT NULL,
            ladder     integer[],
            updated_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (owner, project)
        );
        COMMENT ON TABLE projects IS 'What owners decided about projects; one without a row decided nothing.';
        COMMENT ON COLUMN projects.ladder IS 'As in records; null: as the installation says.'""")


def downgrade() -> None:
    op.execute("DROP TABLE projects; ALTER TABLE records DROP COLUMN ladder")
