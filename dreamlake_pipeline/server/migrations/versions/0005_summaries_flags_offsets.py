"""What a project and an episode hold is known without counting its files; people flag episodes and shift tracks.

Triggers keep the tallies, so that replicas of an older version, which know nothing of them, keep them too.
"""

from alembic import op

from dreamlake_pipeline.migrations import create_index

revision = "0005"
down_revision = "0004"

# A tally is what a statement added to a place, or took from it: nobody waits for anybody to write one. Where there are
# many, whoever writes the next one puts those together that no other transaction is about to.
_FUNCTION = """
CREATE FUNCTION tally_assets_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    crowded text;
BEGIN
    IF NOT EXISTS ({changes}) THEN
        RETURN NULL;
    END IF;
    INSERT INTO tallies (place, kind, status, files, bytes, seconds)
    SELECT place, kind, coalesce(status, 'registered'), sum(sign), coalesce(sum(sign * size), 0),
        coalesce(sum(sign * duration_sec::numeric), 0)
    FROM ({changes}) AS changes, unnest(ARRAY[project_id, root_id]) AS place
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
    FOR crowded IN
        SELECT place
        FROM (SELECT DISTINCT unnest(ARRAY[project_id, root_id]) AS place FROM ({changes}) AS changes) AS places
        WHERE (SELECT count(*) FROM tallies WHERE tallies.place = places.place) > 64
    LOOP
        WITH folded AS (
            DELETE FROM tallies WHERE id IN (SELECT id FROM tallies WHERE place = crowded FOR UPDATE SKIP LOCKED)
            RETURNING *)
        INSERT INTO tallies (place, kind, status, files, bytes, seconds, changed_at)
        SELECT place, kind, status, sum(files), sum(bytes), sum(seconds), max(changed_at)
        FROM folded GROUP BY place, kind, status HAVING (sum(files), sum(bytes), sum(seconds)) <> (0, 0, 0);
    END LOOP;
    RETURN NULL;
END $$;
"""
_ADDED = "SELECT 1 AS sign, project_id, root_id, kind, status, size, duration_sec FROM added"
_TAKEN = "SELECT -1, project_id, root_id, kind, status, size, duration_sec FROM taken"
_FUNCTIONS = "".join(
    _FUNCTION.format(event=event, changes=changes)
    for event, changes in {
        "insert": _ADDED,
        "update": f"{_ADDED} UNION ALL {_TAKEN}",
        "delete": _TAKEN.replace("-1", "-1 AS sign"),
    }.items()
)

_TABLES = """
ALTER TABLE episodes
    ADD COLUMN flag text COLLATE "C" CHECK (flag IN ('good', 'bad')),
    ADD COLUMN note text COLLATE "C" CHECK (char_length(note) BETWEEN 1 AND 4000);
COMMENT ON COLUMN episodes.flag IS 'What a person thinks of it; null: nobody said.';

CREATE TABLE time_offsets (
    root_id          text COLLATE "C" NOT NULL REFERENCES nodes,
    path             text COLLATE "C" NOT NULL CHECK (octet_length(path) BETWEEN 2 AND 1024),
    time_offset_sec  double precision NOT NULL CHECK (time_offset_sec BETWEEN -1e7 AND 1e7),
    PRIMARY KEY (root_id, path)
);
COMMENT ON TABLE time_offsets IS
    'By how many seconds files are later than their own times say, as people said. A name keeps its own, also while it
stands for no file; a file that gets another name takes it along.';

ALTER TABLE assets ADD COLUMN duration_sec double precision GENERATED ALWAYS AS (
    CASE WHEN jsonb_typeof(metadata->'durationSec') = 'number' AND (metadata->'durationSec')::numeric BETWEEN 0 AND 1e9
        THEN (metadata->'durationSec')::double precision END) STORED;
COMMENT ON COLUMN assets.duration_sec IS 'As the metadata say; null where they say none, or one that is none.';
CREATE INDEX assets_by_duration ON assets (root_id, duration_sec) WHERE duration_sec IS NOT NULL;

CREATE TABLE tallies (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place       text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    files       bigint NOT NULL,
    bytes       numeric NOT NULL,
    seconds     numeric NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tallies IS
    'What projects and episodes hold: the sum of the rows of a place. Written by triggers of the table assets.';
COMMENT ON COLUMN tallies.place IS 'The id of a project, or of the root folder of an episode.';
CREATE INDEX tallies_by_place ON tallies (place);
"""

_TRIGGERS = """
CREATE TRIGGER tally_insert AFTER INSERT ON assets REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tally_assets_insert();
CREATE TRIGGER tally_update AFTER UPDATE ON assets REFERENCING NEW TABLE AS added OLD TABLE AS taken
    FOR EACH STATEMENT EXECUTE FUNCTION tally_assets_update();
CREATE TRIGGER tally_delete AFTER DELETE ON assets REFERENCING OLD TABLE AS taken
    FOR EACH STATEMENT EXECUTE FUNCTION tally_assets_delete();
INSERT INTO tallies (place, kind, status, files, bytes, seconds, changed_at)
SELECT place, kind, coalesce(status, 'registered'), count(*), coalesce(sum(size), 0),
    coalesce(sum(duration_sec::numeric), 0), max(updated_at)
FROM assets, unnest(ARRAY[project_id, root_id]) AS place GROUP BY 1, 2, 3;
"""

_VIEW = """
CREATE OR REPLACE VIEW asset_details AS
SELECT
    asset.id, asset.kind, namespace.name AS namespace, project.name AS project, asset.project_id,
    episode.name AS episode, asset.episode_id, asset.root_id, asset.node_id, asset.path, asset.filename, asset.tree_key,
    asset.bss_id, coalesce(asset.status, 'registered') AS status, asset.size, asset.sha256, asset.metadata,
    asset.created_at, asset.updated_at, asset.duration_sec, shift.time_offset_sec, episode.flag AS episode_flag
FROM assets AS asset
JOIN projects AS project ON project.id = asset.project_id
JOIN namespaces AS namespace ON namespace.id = project.namespace_id
LEFT JOIN episodes AS episode ON episode.id = asset.episode_id
LEFT JOIN time_offsets AS shift ON shift.root_id = asset.root_id AND shift.path = asset.path
"""


def upgrade() -> None:
    create_index("episodes_by_age", "episodes (project_id, created_at, name)")
    # The tables are taken in the order in which an upsert takes them.
    for part in (_TABLES, _FUNCTIONS, _TRIGGERS, _VIEW):
        op.execute(part, execution_options={"no_parameters": True})  # many statements in one go


def downgrade() -> None:
    op.execute(
        """
        DROP VIEW asset_details;
        CREATE VIEW asset_details AS
        SELECT
            asset.id, asset.kind, namespace.name AS namespace, project.name AS project, asset.project_id,
            episode.name AS episode, asset.episode_id, asset.root_id, asset.node_id, asset.path, asset.filename,
            asset.tree_key, asset.bss_id, coalesce(asset.status, 'registered') AS status, asset.size, asset.sha256,
            asset.metadata, asset.created_at, asset.updated_at
        FROM assets AS asset
        JOIN projects AS project ON project.id = asset.project_id
        JOIN namespaces AS namespace ON namespace.id = project.namespace_id
        LEFT JOIN episodes AS episode ON episode.id = asset.episode_id;
        COMMENT ON VIEW asset_details IS 'Files with the names of where they are, as the server answers.';
        DROP TRIGGER tally_insert ON assets;
        DROP TRIGGER tally_update ON assets;
        DROP TRIGGER tally_delete ON assets;
        DROP FUNCTION tally_assets_insert, tally_assets_update, tally_assets_delete;
        DROP TABLE tallies, time_offsets;
        ALTER TABLE assets DROP COLUMN duration_sec;
        DROP INDEX episodes_by_age;
        ALTER TABLE episodes DROP COLUMN flag, DROP COLUMN note""",
        execution_options={"no_parameters": True},
    )
