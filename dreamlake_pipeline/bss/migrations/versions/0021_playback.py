"""For which browsers videos are made, by record and by project, and the form of each chunk."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN playback text
            CHECK (playback IS NULL OR (kind = 'video' AND playback IN ('everywhere', 'modern', 'both')));
        COMMENT ON COLUMN records.playback IS 'For which browsers it is made; null: as the project says.';
        ALTER TABLE projects ADD COLUMN playback text
            CHECK (playback IS NULL OR playback IN ('everywhere', 'modern', 'both'));
        COMMENT ON COLUMN projects.playback IS 'As in records; null: everywhere.';
        ALTER TABLE chunks ADD COLUMN form text NOT NULL DEFAULT 'ts' CHECK (form IN ('ts', 'm4s', 'mp4'));
        COMMENT ON COLUMN chunks.form IS
            'How its key ends: a segment of MPEG-TS, one of fragmented MP4, an initialization segment.'""")


def downgrade() -> None:
    op.execute("""
        ALTER TABLE chunks DROP COLUMN form;
        ALTER TABLE projects DROP COLUMN playback;
        ALTER TABLE records DROP COLUMN playback""")
