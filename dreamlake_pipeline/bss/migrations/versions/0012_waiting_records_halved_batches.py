"""What a fault of the machinery put off waits for its time; a batch whose run died goes on in halves."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE records
            ADD COLUMN waiting jsonb,
            ADD COLUMN postponed_at timestamptz,
            ADD COLUMN waiting_until timestamptz CHECK (
                waiting_until IS NULL OR (status = 'queued' AND partition IS NULL AND waiting IS NOT NULL)),
            ADD COLUMN crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0);
        COMMENT ON COLUMN records.waiting IS
            'Which fault of the machinery put it off (api.bss.Waiting), until it has a result or has failed.';
        COMMENT ON COLUMN records.postponed_at IS 'When it was last put off.';
        COMMENT ON COLUMN records.waiting_until IS 'It is not claimed before; null: it is due.';
        COMMENT ON COLUMN records.crashes IS 'How many runs at this file alone died, and no other ones then.';
        -- Claims go by these: what is put off is not read several times a second, however much it is.
        DROP INDEX records_queue;
        CREATE INDEX records_queue ON records (owner, project, queued_at, id)
            WHERE status = 'queued' AND partition IS NULL AND waiting_until IS NULL;
        CREATE INDEX records_put_off ON records (waiting_until) WHERE waiting_until IS NOT NULL;
        CREATE INDEX records_put_off_by_store ON records (postponed_at)
            WHERE waiting_until IS NOT NULL AND waiting->>'code' IN ('storage_failed', 'unreachable');

        ALTER TABLE batches
            ADD COLUMN parent text,
            ADD COLUMN slow boolean NOT NULL DEFAULT false,
            ADD COLUMN offered_at timestamptz NOT NULL DEFAULT now(),
            ADD COLUMN begun_at timestamptz,
            ADD COLUMN died_at timestamptz,
            DROP CONSTRAINT batches_attempt_check,
            ADD CONSTRAINT batches_attempt_check CHECK (attempt >= 0);
        CREATE INDEX batches_by_death ON batches (died_at) WHERE died_at IS NOT NULL;
        COMMENT ON COLUMN batches.attempt IS 'How often it was offered; 0: half of another one, not offered yet.';
        COMMENT ON COLUMN batches.parent IS 'The batch that it is half of, whose run died; null for most.';
        COMMENT ON COLUMN batches.slow IS 'Its files take long, or it is one at which a run died.';
        COMMENT ON COLUMN batches.offered_at IS 'When the latest attempt was offered.';
        COMMENT ON COLUMN batches.begun_at IS 'When the latest run began it.';
        COMMENT ON COLUMN batches.died_at IS 'When a run of it was last found killed or crashed.'""")


def downgrade() -> None:
    op.execute("""
        DROP INDEX records_queue;
        ALTER TABLE records DROP COLUMN waiting_until, DROP COLUMN postponed_at, DROP COLUMN waiting,
            DROP COLUMN crashes;
        CREATE INDEX records_queue ON records (owner, project, queued_at, id)
            WHERE status = 'queued' AND partition IS NULL;
        UPDATE batches SET attempt = 1 WHERE attempt = 0;
        ALTER TABLE batches DROP COLUMN parent, DROP COLUMN slow, DROP COLUMN offered_at, DROP COLUMN begun_at,
            DROP COLUMN died_at,
            DROP CONSTRAINT batches_attempt_check,
            ADD CONSTRAINT batches_attempt_check CHECK (attempt >= 1)""")
