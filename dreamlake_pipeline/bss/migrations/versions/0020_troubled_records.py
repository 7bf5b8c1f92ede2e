"""Records with warnings, of a part of their file, or whose last processing failed are listed by indexes of these."""

from alembic import op

from dreamlake_pipeline.migrations import create_index

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_HAS_RESULT = "ready_at IS NOT NULL AND metadata IS NOT NULL"
_TROUBLED = {
    "warned": f"warnings <> '[]' AND {_HAS_RESULT}",
    "partial": f"warnings <> '[]' AND {_HAS_RESULT} AND metadata->>'partial' = 'true'",
    "failing": "status = 'failed' OR last_error IS NOT NULL",
}


def upgrade() -> None:
    for name, condition in _TROUBLED.items():
        create_index(f"records_{name}", f"records (owner, id) WHERE {condition}")
        create_index(f"records_{name}_of_project", f"records (owner, project, id) WHERE {condition}")


def downgrade() -> None:
    for name in _TROUBLED:
        op.execute(f"DROP INDEX records_{name}, records_{name}_of_project")
