"""Of records of one name, the one that was uploaded last holds the name, whatever its kind.

`place` no longer says of which kind a record is: that goes into the index beside it, so that one look finds all records
of a name.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        ALTER TABLE records ADD COLUMN uploaded_at timestamptz NOT NULL DEFAULT now();
        UPDATE records SET uploaded_at = created_at;
        COMMENT ON COLUMN records.uploaded_at IS
            'When it was last uploaded under its name; the latest of the records of one place holds the name.';
        DROP INDEX records_identity;
        ALTER TABLE records DROP COLUMN place;
        ALTER TABLE records ADD COLUMN place text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
            md5(owner || E'\n' || project || E'\n' || name || coalesce(E'\n' || episode, ''))) STORED;
        COMMENT ON COLUMN records.place IS 'Digest of owner, project, name and episode (see records.py).';
        CREATE UNIQUE INDEX records_identity ON records (place, kind, md5(staging_key))""")


def downgrade() -> None:
    op.execute(r"""
        DROP INDEX records_identity;
        ALTER TABLE records DROP COLUMN place, DROP COLUMN uploaded_at;
        ALTER TABLE records ADD COLUMN place text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
            md5(owner || E'\n' || project || E'\n' || kind || E'\n' || name || coalesce(E'\n' || episode, ''))) STORED;
        CREATE UNIQUE INDEX records_identity ON records (place, md5(staging_key))""")
