"""Tokens can be revoked."""

from alembic import op

from dreamlake_pipeline.revocation import TABLE

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE revoked_tokens")
