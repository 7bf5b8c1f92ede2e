"""What a row's checks cost: a hash is looked at once, and a folder's parent is found by its key in an empty tree too.

Postgres's `{16,64}` took longer than the rest of an insert. And as long as `nodes` had no statistics, the check of
its foreign key went through the whole tree (`nodes_in_tree_order` looked as good as the key's own index): of
indexes that seem equal the planner takes the youngest.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        r"""
        ALTER TABLE assets
            DROP CONSTRAINT assets_sha256_check,
            ADD CONSTRAINT assets_sha256_check
                CHECK (octet_length(sha256) BETWEEN 16 AND 64 AND sha256 !~ '[^0-9a-f]'),
            DROP CONSTRAINT assets_root_id_node_id_fkey;
        ALTER TABLE nodes
            DROP CONSTRAINT nodes_root_id_parent_id_fkey,
            DROP CONSTRAINT nodes_root_id_id_key;
        ALTER TABLE nodes
            ADD CONSTRAINT nodes_root_id_id_key UNIQUE (root_id, id),
            ADD CONSTRAINT nodes_root_id_parent_id_fkey FOREIGN KEY (root_id, parent_id) REFERENCES nodes (root_id, id);
        ALTER TABLE assets
            ADD CONSTRAINT assets_root_id_node_id_fkey FOREIGN KEY (root_id, node_id) REFERENCES nodes (root_id, id)""",
        execution_options={"no_parameters": True},
    )  # many statements in one go


def downgrade() -> None:
    op.execute(r"""
        ALTER TABLE assets DROP CONSTRAINT assets_sha256_check,
            ADD CONSTRAINT assets_sha256_check CHECK (sha256 ~ '^[0-9a-f]{16,64}$')""")
