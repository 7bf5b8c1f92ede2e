"""Whether a project had a batch lately is asked several times a second while files wait."""

from alembic import op

from dreamlake_pipeline.migrations import create_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("batches_by_project", "batches (owner, project, created_at)")


def downgrade() -> None:
    op.execute("DROP INDEX batches_by_project")
