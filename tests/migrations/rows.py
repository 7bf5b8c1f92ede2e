"""Rows of every table, as they were written at each revision: by SQL of that time, with the columns of that time.

A revision that adds a table or a column adds rows here; a test fails when a table has none.
"""

from __future__ import annotations

from dreamlake_pipeline.database import BSS_SCHEMA, SERVER_SCHEMA

_HASH = "ab" * 32

ROWS: dict[str, dict[str, str]] = {
    BSS_SCHEMA: {
        "0001": f"""
            INSERT INTO uploads (upload_id, staging_key, checksummed, part_size)
                VALUES ('u1', 'lab/arm/staging/{_HASH}', true, 8388608);
            INSERT INTO batches (partition, owner, project, attempt, begun, state, lease_until, run_id,
                closed_at) VALUES
                ('lab/arm/2026-01-01T00-00-00Z-0001', 'lab', 'arm', 1, 1, 'closed', now(), 'run-1', now()),
                ('lab/arm/2026-01-01T00-00-00Z-0002', 'lab', 'arm', 2, 1, 'open', now() + interval '1 hour',
                 'run-2', NULL);
            INSERT INTO records (id, kind, owner, project, episode, name, staging_key, staging_hash, sha256, size,
                status,
                error, warnings, metadata, recipe, attempts, partition, queued_at, reported_at, ready_at) VALUES
                (repeat('1', 24), 'video', 'lab', 'arm', 'run 1', '/camera/front.mp4', 'lab/arm/staging/{_HASH}',
                 '{_HASH}',
                 '{_HASH}', 835000, 'ready', NULL, '["odd"]', '{{"durationSec": 7.8}}', 'recipe-1', 1,
                 'lab/arm/2026-01-01T00-00-00Z-0001', now(), now(), now()),
                (repeat('2', 24), 'audio', 'lab', 'arm', NULL, '/mic.wav', 'lab/arm/staging/{"cd" * 32}', NULL,
                 NULL, NULL,
                 'failed', '{{"code": "not_media", "message": "It is no sound."}}', '[]', NULL, NULL, 3, NULL,
                     now(), now(), NULL),
                (repeat('3', 24), 'text-track', 'lab', 'arm', 'run 1', '/camera/front.vtt',
                 'lab/arm/staging/x.vtt', NULL, NULL,
                 120, 'queued', NULL, '[]', NULL, NULL, 0, NULL, now(), NULL, NULL),
                (repeat('4', 24), 'label-track', 'lab', 'arm', 'Lauf „ü“', '/labels/joints.csv',
                 'lab/arm/staging/{"ef" * 32}',
                 '{"ef" * 8}', NULL, 13500, 'processing', NULL, '[]', NULL, NULL, 1,
                 'lab/arm/2026-01-01T00-00-00Z-0002', now(), NULL, NULL),
                (repeat('5', 24), 'video', 'lab', 'leg', NULL, '/new.mp4', 'lab/leg/staging/{"01" * 32}',
                 '{"01" * 32}', NULL, 5,
                 'registered', NULL, '[]', NULL, NULL, 0, NULL, NULL, NULL, NULL);
            INSERT INTO chunks (sha256, size, stored_at, lease_until) VALUES
                ('{_HASH}', 400000, now(), now()), ('{"cd" * 32}', 1, NULL, now() + interval '1 hour');
            INSERT INTO chunk_refs (record_id, sha256) VALUES (repeat('1', 24), '{_HASH}');
            INSERT INTO ignored_objects (staging_key, etag, size, reason) VALUES ('lab/arm/staging/notes.txt',
                '"e"', 3, 'no kind')""",
        "0003": """
            UPDATE records SET ladder = '{720,480}' WHERE id = repeat('1', 24);
            INSERT INTO projects (owner, project, ladder) VALUES ('lab', 'arm', '{}'), ('lab', 'leg', NULL)""",
        "0005": f"INSERT INTO signed_puts (staging_key, size) VALUES ('lab/leg/staging/{_HASH}', 5)",
        "0007": """
            UPDATE records SET csv = '{"delimiter": ";"}' WHERE id = repeat('4', 24);
            UPDATE projects SET csv = '{}' WHERE project = 'leg'""",
        "0008": "UPDATE records SET uploaded_at = now() - interval '1 day' WHERE id = repeat('3', 24)",
        "0009": """
            UPDATE records SET last_error = '{"code": "internal", "message": "It broke."}' WHERE id = repeat('1',
                24)""",
        "0010": """
            INSERT INTO deletions (record_id, kind, owner, project, episode, name)
                VALUES (repeat('9', 24), 'audio', 'lab', 'arm', NULL, '/gone.wav')""",
        "0011": """
            INSERT INTO ended_uploads (upload_id, staging_key, completed) VALUES ('u0', 'lab/arm/staging/y', true);
            INSERT INTO revoked_tokens (id, revoked_by) VALUES ('stolen', 'ops')""",
        "0012": """
            UPDATE records SET waiting = '{"code": "unreachable", "message": "S3 is away."}', waiting_until = now(),
                crashes = 1 WHERE id = repeat('3', 24);
            INSERT INTO batches (partition, owner, project, attempt, lease_until, parent, slow) VALUES
                ('lab/arm/2026-01-01T00-00-00Z-0003', 'lab', 'arm', 0, now(),
                 'lab/arm/2026-01-01T00-00-00Z-0002', true)""",
        "0013": """
            INSERT INTO deleted_records (id, kind, owner, project, name, place, staging_key, uploaded_at, row,
                deleted_by)
                VALUES (repeat('8', 24), 'audio', 'lab', 'arm', '/old.wav', md5('x'), 'lab/arm/staging/z', now(),
                '{"id": "888888888888888888888888"}', 'ops');
            INSERT INTO condemned_objects (staging_key, size) VALUES ('lab/arm/staging/w', 3);
            UPDATE chunks SET condemned_at = now() WHERE stored_at IS NULL;
            UPDATE deletions SET restored = true""",
        "0014": """
            UPDATE records SET outputs = '{"index.m3u8": [10, "ab"]}' WHERE id = repeat('1', 24);
            INSERT INTO origin (is_rebuilding) VALUES (false);
            INSERT INTO rebuilt (id, chunks) VALUES (repeat('1', 24), '{ab}')""",
        "0015": "UPDATE records SET request_id = '5c1f0a9d3b7e-17' WHERE id = repeat('1', 24)",
        "0016": """
            INSERT INTO rebuilt (owner, project, id, chunks) VALUES ('lab', 'arm', repeat('1', 24), '{ab}'),
                ('lab', 'leg', repeat('1', 24), '{ab}')""",
        "0017": """UPDATE projects SET types = '{".dat": "audio"}' WHERE project = 'arm'""",
        "0018": """
            UPDATE records SET partition = NULL WHERE id = repeat('1', 24);
            UPDATE ignored_objects SET code = 'unknown_kind'""",
        "0019": "UPDATE records SET moved_at = now() WHERE id = repeat('1', 24)",
        "0023": """
            INSERT INTO pipeline_build (build) VALUES ('{"version": "0.1.0", "ffmpeg": "9", "recipes": {}}');
            INSERT INTO work_rates (owner, project, kind, extension, bytes, seconds)
                VALUES ('lab', 'arm', 'video', 'mp4', 835000, 0.3)""",
    },
    SERVER_SCHEMA: {
        "0001": f"""
            INSERT INTO namespaces (id, name) VALUES (repeat('a', 24), 'lab');
            INSERT INTO projects (id, namespace_id, name) VALUES (repeat('b', 24), repeat('a', 24), 'arm');
            INSERT INTO episodes (id, project_id, name) VALUES (repeat('c', 24), repeat('b', 24), 'Lauf „ü“');
            INSERT INTO nodes (id, project_id, episode_id, root_id, parent_id, name, path) VALUES
                (repeat('1', 24), repeat('b', 24), NULL, repeat('1', 24), NULL, '', '/'),
                (repeat('2', 24), repeat('b', 24), repeat('c', 24), repeat('2', 24), NULL, '', '/'),
                (repeat('3', 24), repeat('b', 24), repeat('c', 24), repeat('2', 24), repeat('2', 24), 'camera',
                 '/camera');
            INSERT INTO assets (id, project_id, episode_id, root_id, node_id, filename, path, kind, bss_id, status,
                size,
                sha256, metadata) VALUES
                (repeat('4', 24), repeat('b', 24), repeat('c', 24), repeat('2', 24), repeat('3', 24), 'front.mp4',
                 '/camera/front.mp4', 'video', repeat('5', 24), 'ready', 835000, '{_HASH}', '{{"durationSec": 7.8}}'),
                (repeat('6', 24), repeat('b', 24), NULL, repeat('1', 24), repeat('1', 24), 'mic.wav',
                 '/mic.wav', 'audio', repeat('7', 24), NULL, NULL, '{"cd" * 8}', NULL)""",
        "0003": "UPDATE assets SET uploaded_at = now() - interval '1 day' WHERE id = repeat('4', 24)",
        "0004": "INSERT INTO revoked_tokens (id, revoked_by) VALUES ('stolen', 'ops')",
        "0005": """
            UPDATE episodes SET flag = 'bad', note = 'The gripper stuck „halb“.';
            INSERT INTO time_offsets (root_id, path, time_offset_sec) VALUES
                (repeat('2', 24), '/camera/front.mp4', -0.125);
            UPDATE assets SET status = 'failed' WHERE id = repeat('6', 24)""",
    },
}  # fmt: skip
