"""A record knows which batches it has left; what failed is listed by when it did, refused objects by their keys."""

from alembic import op

from dreamlake_pipeline.migrations import create_index

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():  # an index that is made while others write needs it committed
        op.execute("ALTER TABLE records ADD COLUMN IF NOT EXISTS was_in text[]")
    create_index("records_by_left_batch", "records USING gin (was_in) WHERE was_in IS NOT NULL")
    create_index("records_failed_lately", "records (updated_at) WHERE status = 'failed' OR last_error IS NOT NULL")
    create_index("ignored_objects_by_key", 'ignored_objects (staging_key COLLATE "C", created_at)')
    # A trigger, since a record leaves its batch in many ways: it is asked for again, put off, given back, halved off.
    op.execute("""
        COMMENT ON COLUMN records.was_in IS
            'The batches that it has left, the latest last, eight at the most; null: none.';
        CREATE FUNCTION note_left_batch() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.was_in := (array_remove(OLD.was_in, OLD.partition) || OLD.partition)
                [greatest(1, cardinality(array_remove(OLD.was_in, OLD.partition)) - 6):];
            RETURN NEW;
        END $$;
        CREATE TRIGGER records_leave_batches BEFORE UPDATE OF partition ON records FOR EACH ROW
            WHEN (OLD.partition IS NOT NULL AND NEW.partition IS DISTINCT FROM OLD.partition)
            EXECUTE FUNCTION note_left_batch();

        ALTER TABLE ignored_objects ADD COLUMN code text COLLATE "C";
        COMMENT ON COLUMN ignored_objects.code IS 'Which rule it breaks (errors.py); null: it is of before.'""")


def downgrade() -> None:
    op.execute("""
        DROP TRIGGER records_leave_batches ON records;
        DROP FUNCTION note_left_batch();
        DROP INDEX records_failed_lately, records_by_left_batch, ignored_objects_by_key;
        ALTER TABLE records DROP COLUMN was_in;
        ALTER TABLE ignored_objects DROP COLUMN code""")
