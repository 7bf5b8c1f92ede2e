"""What is read of the bucket is kept by project: nothing that one project's folders say is about another's records."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE rebuilt ADD COLUMN owner text COLLATE "C", ADD COLUMN project text COLLATE "C";
        UPDATE rebuilt SET owner = coalesce(meta->>'owner', noted->>'owner', ''),
            project = coalesce(meta->>'project', noted->>'project', '');
        ALTER TABLE rebuilt DROP CONSTRAINT rebuilt_pkey, ADD PRIMARY KEY (owner, project, id);
        DROP INDEX rebuilt_in_order;
        CREATE INDEX rebuilt_in_order ON rebuilt ((meta IS NULL), owner, project, id);
        COMMENT ON COLUMN rebuilt.owner IS 'Whose folder of the bucket said so.'""")


def downgrade() -> None:
    op.execute("""
        DELETE FROM rebuilt r WHERE EXISTS (
            SELECT FROM rebuilt o WHERE o.id = r.id AND (o.owner, o.project) < (r.owner, r.project));
        ALTER TABLE rebuilt DROP CONSTRAINT rebuilt_pkey, ADD PRIMARY KEY (id);
        DROP INDEX rebuilt_in_order;
        ALTER TABLE rebuilt DROP COLUMN owner, DROP COLUMN project;
        CREATE INDEX rebuilt_in_order ON rebuilt ((meta IS NULL), id)""")
