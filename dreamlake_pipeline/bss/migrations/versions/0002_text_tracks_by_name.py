"""Text tracks are found by the start of their name: those that lie beside a video are its subtitles."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX records_text_tracks ON records (owner, project, name text_pattern_ops)
        WHERE kind = 'text-track'""")


def downgrade() -> None:
    op.execute("DROP INDEX records_text_tracks")
