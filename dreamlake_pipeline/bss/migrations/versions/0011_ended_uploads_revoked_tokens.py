"""What became of an upload is remembered, so that its id means nothing under another key; tokens can be revoked."""

from alembic import op

from dreamlake_pipeline.revocation import TABLE

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE ended_uploads (
            upload_id   text PRIMARY KEY,
            staging_key text NOT NULL,
            completed   boolean NOT NULL,
            ended_at    timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX ended_uploads_by_age ON ended_uploads (ended_at);
        COMMENT ON TABLE ended_uploads IS
            'Multipart uploads that are over: whoever ends one twice is told that it is a success.';
        COMMENT ON COLUMN ended_uploads.completed IS 'False: it was given up, or found to be gone.'""")
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE revoked_tokens, ended_uploads")
