"""A deleted record can be restored for a time; what nothing refers to is condemned before it is freed."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        CREATE TABLE deleted_records (
            id          text COLLATE "C" PRIMARY KEY,
            kind        text NOT NULL,
            owner       text NOT NULL,
            project     text NOT NULL,
            episode     text,
            name        text NOT NULL,
            place       text COLLATE "C" NOT NULL,
            staging_key text NOT NULL,
            etag        text,
            size        bigint,
            uploaded_at timestamptz NOT NULL,
            row         jsonb NOT NULL,
            deleted_by  text NOT NULL,
            deleted_at  timestamptz NOT NULL DEFAULT now(),
            purged_at   timestamptz,
            freed_at    timestamptz CHECK (freed_at IS NULL OR purged_at IS NOT NULL)
        );
        CREATE INDEX deleted_records_listed ON deleted_records (owner, project, id);
        CREATE INDEX deleted_records_by_age ON deleted_records (deleted_at);
        CREATE INDEX deleted_records_by_staging_key ON deleted_records (staging_key);
        COMMENT ON TABLE deleted_records IS
            'Deleted records, until they are purged. So long, their rows of chunk_refs and their objects stay.';
        COMMENT ON COLUMN deleted_records.row IS
            'The row of records as it was, without its nulls: no migration of records has to know of this table.';
        COMMENT ON COLUMN deleted_records.etag IS
            'Of the staged object, where its key is not its hash: other content under the key is a new arrival.';
        COMMENT ON COLUMN deleted_records.purged_at IS
            'When garbage collection began to free it: it cannot be restored any more, and its row is empty.';
        COMMENT ON COLUMN deleted_records.freed_at IS
            'When its playlists and files were deleted; the row stays until no run can write any more.';

        -- A deleted record keeps its references; a purge takes them.
        ALTER TABLE chunk_refs DROP CONSTRAINT chunk_refs_record_id_fkey;
        COMMENT ON TABLE chunk_refs IS
            'Which record, also a deleted one, plays which chunk; written in the transaction that stores the result.';

        ALTER TABLE chunks ADD COLUMN condemned_at timestamptz;
        CREATE INDEX chunks_condemned ON chunks (condemned_at) WHERE condemned_at IS NOT NULL;
        COMMENT ON COLUMN chunks.condemned_at IS
            'When garbage collection found that nothing refers to it; a lease takes it back.';

        CREATE TABLE condemned_objects (
            staging_key  text COLLATE "C" PRIMARY KEY,
            etag         text,
            size         bigint,
            condemned_at timestamptz NOT NULL DEFAULT now(),
            freed_at     timestamptz
        );
        CREATE INDEX condemned_objects_by_age ON condemned_objects (condemned_at);
        COMMENT ON TABLE condemned_objects IS
            'Staged objects whose last record was purged. Whoever is to refer to one takes its row away first.';
        COMMENT ON COLUMN condemned_objects.freed_at IS
            'When the object was deleted; the row stays for a while, for those who saw the object before.';

        ALTER TABLE deletions ADD COLUMN restored boolean NOT NULL DEFAULT false;
        COMMENT ON COLUMN deletions.restored IS 'The record is there again, and the index is to have its name.';
        COMMENT ON COLUMN deletions.deleted_at IS 'When it was deleted or, the last time, restored.'""")


def downgrade() -> None:
    op.execute("""
        DELETE FROM chunk_refs WHERE record_id NOT IN (SELECT id FROM records);
        ALTER TABLE chunk_refs ADD CONSTRAINT chunk_refs_record_id_fkey
            FOREIGN KEY (record_id) REFERENCES records ON DELETE CASCADE;
        ALTER TABLE chunks DROP COLUMN condemned_at;
        ALTER TABLE deletions DROP COLUMN restored;
        DROP TABLE deleted_records, condemned_objects""")
