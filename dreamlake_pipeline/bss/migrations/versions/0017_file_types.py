"""What kind the files of some extensions are, as the owners of projects told."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE projects ADD COLUMN types jsonb;
        COMMENT ON COLUMN projects.types IS
            'Kinds by extension ({".dat": "audio"}), for clients that store files; null: as the extensions say.'""")


def downgrade() -> None:
    op.execute("ALTER TABLE projects DROP COLUMN types")
