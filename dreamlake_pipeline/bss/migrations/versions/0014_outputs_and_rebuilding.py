"""What lies in the bucket for a record is noted, so that it can be checked; and records can be made of the bucket."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records ADD COLUMN outputs jsonb;
        COMMENT ON COLUMN records.outputs IS
            'Size and SHA-256 of each file in its folder, as last reported; null: made before they were noted.';

        CREATE TABLE origin (
            one           boolean PRIMARY KEY DEFAULT true CHECK (one),
            is_rebuilding boolean NOT NULL,
            since         timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE origin IS
            'One row, once it is known that the bucket holds no records of another database (rebuild/origin.py).';

        CREATE TABLE rebuilt (
            id         text COLLATE "C" PRIMARY KEY,
            noted      jsonb,
            noted_at   timestamptz,
            deleted_at timestamptz,
            meta       jsonb,
            chunks     text[]
        );
        CREATE INDEX rebuilt_in_order ON rebuilt ((meta IS NULL), id);
        COMMENT ON TABLE rebuilt IS 'What the bucket says of records that are being made again; empty otherwise.';
        COMMENT ON COLUMN rebuilt.noted IS 'The latest line of its project''s journal about it.';
        COMMENT ON COLUMN rebuilt.chunks IS 'The segments that its playlists name.'""")


def downgrade() -> None:
    op.execute("DROP TABLE origin, rebuilt; ALTER TABLE records DROP COLUMN outputs")
