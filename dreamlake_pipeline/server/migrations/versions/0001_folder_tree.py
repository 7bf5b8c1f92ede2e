"""Namespaces, projects, episodes, the folder tree, and the files in it."""

from alembic import op

revision = "0001"
down_revision = None

# Text is compared byte by byte (COLLATE "C"): ids and names need no other order, a plain index then serves ranges of
# prefixes as text_pattern_ops would, and Python sorts the same way, which keeps the order of row locks.
_SCHEMA = r"""
CREATE TABLE namespaces (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{24}$'),
    name        text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE namespaces IS 'Who files belong to; BSS calls it the owner. Made by the first registration in it.';

CREATE TABLE projects (
    id            text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{24}$'),
    namespace_id  text COLLATE "C" NOT NULL REFERENCES namespaces,
    name          text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (namespace_id, name)
);

CREATE TABLE episodes (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{24}$'),
    project_id  text COLLATE "C" NOT NULL REFERENCES projects,
    name        text COLLATE "C" NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);

CREATE TABLE nodes (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{24}$'),
    project_id  text COLLATE "C" NOT NULL REFERENCES projects,
    episode_id  text COLLATE "C" REFERENCES episodes,
    root_id     text COLLATE "C" NOT NULL,
    parent_id   text COLLATE "C",
    name        text COLLATE "C" NOT NULL,
    path        text COLLATE "C" NOT NULL CHECK (octet_length(path) BETWEEN 1 AND 1024),
    tree_key    text COLLATE "C" NOT NULL GENERATED ALWAYS AS (translate(path, '/', E'\x01')) STORED,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (root_id, id),
    FOREIGN KEY (root_id, parent_id) REFERENCES nodes (root_id, id),
    CONSTRAINT nodes_one_per_name UNIQUE NULLS NOT DISTINCT (parent_id, name, project_id, episode_id),
    CONSTRAINT nodes_root_is_its_own CHECK ((parent_id IS NULL) = (root_id = id)),
    CONSTRAINT nodes_parent_is_another CHECK (parent_id <> id),
    CONSTRAINT nodes_root_is_nameless CHECK ((parent_id IS NULL) = (path = '/') AND (parent_id IS NULL) = (name = '')),
    CONSTRAINT nodes_path_ends_with_name CHECK (right(path, char_length(name) + 1) = '/' || name)
);
COMMENT ON TABLE nodes IS 'Folders. Each (project, episode) has one root row. parent_id is the truth, path follows.';
COMMENT ON COLUMN nodes.episode_id IS 'Null: the folders of files that belong to no episode.';
COMMENT ON COLUMN nodes.root_id IS 'The root of its tree: stands for (project, episode), and is never null.';
COMMENT ON COLUMN nodes.name IS 'Last segment of the path; empty for a root.';
COMMENT ON COLUMN nodes.path IS 'Materialized path: absolute within the episode, / for a root.';
COMMENT ON COLUMN nodes.tree_key IS
    'The path with a separator below every other character: sorts a folder''s content right behind the folder.';
CREATE UNIQUE INDEX nodes_roots ON nodes (project_id, coalesce(episode_id, '')) WHERE parent_id IS NULL;
CREATE UNIQUE INDEX nodes_in_tree_order ON nodes (root_id, tree_key);
CREATE INDEX nodes_by_episode ON nodes (episode_id);

CREATE TABLE assets (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{24}$'),
    project_id  text COLLATE "C" NOT NULL REFERENCES projects,
    episode_id  text COLLATE "C" REFERENCES episodes,
    root_id     text COLLATE "C" NOT NULL,
    node_id     text COLLATE "C" NOT NULL,
    filename    text COLLATE "C" NOT NULL CHECK (filename <> '' AND strpos(filename, '/') = 0),
    path        text COLLATE "C" NOT NULL CHECK (octet_length(path) BETWEEN 2 AND 1024),
    tree_key    text COLLATE "C" NOT NULL GENERATED ALWAYS AS (translate(path, '/', E'\x01')) STORED,
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('video', 'audio', 'text-track', 'label-track')),
    bss_id      text COLLATE "C" NOT NULL CHECK (bss_id ~ '^[0-9a-f]{24}$'),
    status      text COLLATE "C" CHECK (status IN ('registered', 'queued', 'processing', 'ready', 'failed')),
    size        bigint CHECK (size >= 0),
    sha256      text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{16,64}$'),
    metadata    jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (root_id, node_id) REFERENCES nodes (root_id, id),
    CONSTRAINT assets_one_per_name UNIQUE (node_id, filename),
    CONSTRAINT assets_path_ends_with_filename CHECK (right(path, char_length(filename) + 1) = '/' || filename)
);
COMMENT ON TABLE assets IS 'Files, one row per path: what it names now. BSS keeps the records of earlier content.';
COMMENT ON COLUMN assets.node_id IS 'The folder that holds the file.';
COMMENT ON COLUMN assets.path IS 'Materialized: the folder''s path and the filename.';
COMMENT ON COLUMN assets.tree_key IS 'As in nodes, so that folders and files merge into one order.';
COMMENT ON COLUMN assets.bss_id IS 'The record in BSS. Ids sort by time of creation: an older one takes no path back.';
COMMENT ON COLUMN assets.status IS 'As last reported for this record; null while only its registration is known.';
COMMENT ON COLUMN assets.size IS 'Bytes.';
COMMENT ON COLUMN assets.sha256 IS 'Of the stored bytes, in hex; a prefix of 16 digits or more until they were read.';
COMMENT ON COLUMN assets.metadata IS 'What processing found out; its form depends on the kind (api/metadata.py).';
CREATE INDEX assets_in_tree_order ON assets (root_id, tree_key);
CREATE INDEX assets_by_kind ON assets (project_id, kind, root_id, tree_key);
CREATE INDEX assets_by_episode ON assets (episode_id);

CREATE VIEW asset_details AS
SELECT
    asset.id, asset.kind, namespace.name AS namespace, project.name AS project, asset.project_id,
    episode.name AS episode, asset.episode_id, asset.root_id, asset.node_id, asset.path, asset.filename, asset.tree_key,
    asset.bss_id, coalesce(asset.status, 'registered') AS status, asset.size, asset.sha256, asset.metadata,
    asset.created_at, asset.updated_at
FROM assets AS asset
JOIN projects AS project ON project.id = asset.project_id
JOIN namespaces AS namespace ON namespace.id = project.namespace_id
LEFT JOIN episodes AS episode ON episode.id = asset.episode_id;
COMMENT ON VIEW asset_details IS 'Files with the names of where they are, as the server answers.';
"""


def upgrade() -> None:
    op.execute(_SCHEMA, execution_options={"no_parameters": True})  # many statements in one go


def downgrade() -> None:
    op.execute("DROP VIEW asset_details")
    op.execute("DROP TABLE assets, nodes, episodes, projects, namespaces")
