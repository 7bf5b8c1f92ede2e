"""Text tracks are found by the start of their name: those that lie beside a video are its subtitles."""

from alembic import op

from dreamlake_pipeline.migrations import create_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("records_text_tracks", "records (owner, project, name text_pattern_ops) WHERE kind = 'text-track'")


def downgrade() -> None:
    op.execute("DROP INDEX records_text_tracks")
