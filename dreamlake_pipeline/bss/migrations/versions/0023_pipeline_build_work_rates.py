"""What the pipeline makes results with, and how long files have taken it, by project, kind and extension."""

from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE pipeline_build (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            build jsonb NOT NULL,
            told_at timestamptz NOT NULL DEFAULT now());
        COMMENT ON TABLE pipeline_build IS
            'Version, ffmpeg and recipes of the code location that claims batches: nodes have to have the same.';
        CREATE TABLE work_rates (
            owner text NOT NULL,
            project text NOT NULL,
            kind text NOT NULL,
            extension text NOT NULL,
            bytes double precision NOT NULL CHECK (bytes > 0),
            seconds double precision NOT NULL CHECK (seconds >= 0),
            PRIMARY KEY (owner, project, kind, extension));
        COMMENT ON TABLE work_rates IS
            'Bytes of the latest files, and the seconds that making them took: what others of their sort may take.'""")


def downgrade() -> None:
    op.execute("DROP TABLE work_rates, pipeline_build")
