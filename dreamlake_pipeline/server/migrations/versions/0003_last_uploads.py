"""Which record a name stands for is decided by when each was last uploaded, as BSS says, not by their ids alone."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # What a name stands for today is what it was last given: no upload from before may take it.
    op.execute(
        """
        ALTER TABLE assets ADD COLUMN uploaded_at timestamptz;
        UPDATE assets SET uploaded_at = updated_at;
        ALTER TABLE assets ALTER COLUMN uploaded_at SET NOT NULL;
        COMMENT ON COLUMN assets.uploaded_at IS
            'When the record was last uploaded under this name: only a later upload gives the name to another record.';
        COMMENT ON COLUMN assets.bss_id IS
            'The record in BSS. Ids sort by time of creation; of two uploads at one time, the greater id counts.'""",
        execution_options={"no_parameters": True},
    )  # many statements in one go


def downgrade() -> None:
    op.execute("ALTER TABLE assets DROP COLUMN uploaded_at")
