"""What a client was given a PUT for is remembered; hashes are checked without a counted repetition, which is slow."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        CREATE TABLE signed_puts (
            staging_key text COLLATE "C" PRIMARY KEY,
            size        bigint NOT NULL CHECK (size > 0),
            signed_at   timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX signed_puts_by_age ON signed_puts (signed_at);
        COMMENT ON TABLE signed_puts IS
            'Objects that a client was given a PUT for and has not registered since: only these may be there unknown.';
        COMMENT ON COLUMN signed_puts.size IS 'Bytes; signed into the URL, as the SHA-256 in the key is.';

        ALTER TABLE records
            DROP CONSTRAINT records_staging_hash_check,
            DROP CONSTRAINT records_sha256_check,
            ADD CONSTRAINT records_staging_hash_check
                CHECK (octet_length(staging_hash) BETWEEN 16 AND 64 AND staging_hash !~ '[^0-9a-f]'),
            ADD CONSTRAINT records_sha256_check CHECK (octet_length(sha256) = 64 AND sha256 !~ '[^0-9a-f]')""")


def downgrade() -> None:
    op.execute(r"""
        DROP TABLE signed_puts;
        ALTER TABLE records
            DROP CONSTRAINT records_staging_hash_check,
            DROP CONSTRAINT records_sha256_check,
            ADD CONSTRAINT records_staging_hash_check CHECK (staging_hash ~ '^[0-9a-f]{16,64}$'),
            ADD CONSTRAINT records_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')""")
