"""A record is found by one column that only one index has.

By owner, project, kind and name, any of three indexes may be asked, and until a table that grows fast has been
analyzed, Postgres takes the smallest: it then went through all records of the project for each file that was asked for.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        ALTER TABLE records ADD COLUMN place text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
            md5(owner || E'\n' || project || E'\n' || kind || E'\n' || name || coalesce(E'\n' || episode, ''))) STORED;
        COMMENT ON COLUMN records.place IS 'Digest of owner, project, kind, name and episode (see records.py).';
        DROP INDEX records_identity;
        CREATE UNIQUE INDEX records_identity ON records (place, md5(staging_key))""")


def downgrade() -> None:
    op.execute("""
        DROP INDEX records_identity;
        ALTER TABLE records DROP COLUMN place;
        CREATE UNIQUE INDEX records_identity ON records (owner, project, kind, name, md5(staging_key), episode)
            NULLS NOT DISTINCT""")
