"""Uploads, records, batches, the chunk pool, and objects that are none of ours."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE uploads (
    upload_id   text PRIMARY KEY,
    staging_key text NOT NULL,
    checksummed boolean NOT NULL,
    part_size   bigint NOT NULL CHECK (part_size > 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (staging_key, checksummed)
);
COMMENT ON TABLE uploads IS 'Multipart uploads under way: one per object and checksum mode, so that a client resumes.';
COMMENT ON COLUMN uploads.checksummed IS 'S3 demands a SHA-256 with every part.';
COMMENT ON COLUMN uploads.part_size IS 'Bytes of every part but the last.';

CREATE TABLE batches (
    partition   text PRIMARY KEY,
    owner       text NOT NULL,
    project     text NOT NULL,
    attempt     integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    begun       integer NOT NULL DEFAULT 0 CHECK (begun >= 0),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    lease_until timestamptz NOT NULL,
    run_id      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz CHECK ((closed_at IS NULL) = (state = 'open'))
);
CREATE INDEX batches_by_lease ON batches (lease_until) WHERE state = 'open';
COMMENT ON TABLE batches IS 'A batch is a partition in Dagster; one attempt at it is one run.';
COMMENT ON COLUMN batches.attempt IS 'How often it was offered.';
COMMENT ON COLUMN batches.begun IS 'How many runs began it since it was last closed.';
COMMENT ON COLUMN batches.lease_until IS 'An open batch is offered again after it; a run keeps moving it.';
COMMENT ON COLUMN batches.run_id IS 'The run that has it; null from offer to begin.';

CREATE TABLE records (
    id           text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{24}$'),
    kind         text NOT NULL CHECK (kind IN ('video', 'audio', 'text-track', 'label-track')),
    owner        text NOT NULL,
    project      text NOT NULL,
    episode      text CHECK (episode <> ''),
    name         text NOT NULL CHECK (name LIKE '/_%'),
    staging_key  text NOT NULL,
    staging_hash text CHECK (staging_hash ~ '^[0-9a-f]{16,64}$'),
    sha256       text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size         bigint CHECK (size >= 0),
    content_type text,
    status       text NOT NULL CHECK (status IN ('registered', 'queued', 'processing', 'ready', 'failed')),
    error        jsonb CHECK ((error IS NOT NULL) = (status = 'failed')),
    warnings     jsonb NOT NULL DEFAULT '[]',
    metadata     jsonb,
    recipe       text,
    attempts     integer NOT NULL DEFAULT 0,
    partition    text REFERENCES batches ON DELETE SET NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    queued_at    timestamptz CHECK (queued_at IS NOT NULL OR status IN ('registered', 'ready', 'failed')),
    reported_at  timestamptz,
    ready_at     timestamptz CHECK (ready_at IS NOT NULL OR status <> 'ready')
);
-- The longest name, key and episode together are more than an index row may hold: the key goes in as its digest.
CREATE UNIQUE INDEX records_identity ON records (owner, project, kind, name, md5(staging_key), episode)
    NULLS NOT DISTINCT;
CREATE INDEX records_by_status ON records (owner, project, kind, status, id);
CREATE INDEX records_listed ON records (owner, project, kind, id);
CREATE INDEX records_by_staging_key ON records (staging_key);
CREATE INDEX records_by_partition ON records (partition) WHERE partition IS NOT NULL;
CREATE INDEX records_unasked ON records (created_at) WHERE status = 'registered';
CREATE INDEX records_queue ON records (owner, project, queued_at, id) WHERE status = 'queued' AND partition IS NULL;
CREATE INDEX records_results ON records (owner, kind, sha256, recipe) WHERE status = 'ready';
COMMENT ON TABLE records IS 'One file under one name; the same content under the same name is the same record.';
COMMENT ON COLUMN records.staging_key IS 'Where the raw bytes lie in the bucket.';
COMMENT ON COLUMN records.staging_hash IS 'SHA-256, or a prefix of it, that the uploader promised; null: none.';
COMMENT ON COLUMN records.sha256 IS 'SHA-256 of the stored bytes, once they were read.';
COMMENT ON COLUMN records.recipe IS 'How the result was made; results are shared by owner, kind, sha256 and recipe.';
COMMENT ON COLUMN records.attempts IS 'How often it was handed to a run.';
COMMENT ON COLUMN records.partition IS 'The batch that processes or processed it; null while it waits for one.';
COMMENT ON COLUMN records.queued_at IS 'When it was last queued; a batch waits until its project has settled.';
COMMENT ON COLUMN records.reported_at IS 'When the current attempt reported a result; null until then.';

CREATE TABLE chunks (
    sha256      text COLLATE "C" PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size        bigint NOT NULL CHECK (size > 0),
    stored_at   timestamptz,
    lease_until timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE chunks IS 'The pool of segments: a row is the lock and the truth for its object.';
COMMENT ON COLUMN chunks.stored_at IS 'When a writer said that the object is there; null: not to be trusted.';
COMMENT ON COLUMN chunks.lease_until IS 'Until then a writer may refer to it: it must not be swept.';

CREATE TABLE chunk_refs (
    record_id text COLLATE "C" NOT NULL REFERENCES records ON DELETE CASCADE,
    sha256    text COLLATE "C" NOT NULL REFERENCES chunks,
    PRIMARY KEY (record_id, sha256)
);
CREATE INDEX chunk_refs_by_chunk ON chunk_refs (sha256);
COMMENT ON TABLE chunk_refs IS 'Which record plays which chunk; written in the transaction that stores the result.';

CREATE TABLE ignored_objects (
    staging_key text NOT NULL,
    etag        text NOT NULL,
    size        bigint,
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (staging_key, etag)
);
COMMENT ON TABLE ignored_objects IS 'Staged objects of no kind of ours, or whose last record was deleted.';
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE ignored_objects, chunk_refs, chunks, records, batches, uploads")
