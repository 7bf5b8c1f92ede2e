"""What of many files is new: asked without any effect."""

from __future__ import annotations

import hashlib
import secrets

import pytest
from sqlalchemy import text

from dreamlake_pipeline.bss import records
from dreamlake_pipeline.kinds import Kind


def _file(data, name, kind="video", **more):
    return {"kind": kind, "name": name, "hash": hashlib.sha256(data).hexdigest(), "size": len(data)} | more


def _bulk(api, owner, route, *files):
    answer = api.post(f"/uploads/{route}", json={"owner": owner, "project": "lab", "files": list(files)})
    assert answer.status_code == 200, answer.text
    return answer.json()["files"]


def _compare(api, owner, *files):
    return _bulk(api, owner, "compare", *files)


def _unread(file):
    return {key: value for key, value in file.items() if key != "hash"}


@pytest.fixture
def stored(api, owner, files):
    """A registered file of 20 bytes: what a client says of it."""
    data = secrets.token_bytes(20)
    files.stage(data)
    file = _file(data, "/a.mp4", episode="run 1")
    _bulk(api, owner, "finish", file)
    return file


def test_how_files_differ_from_what_is_stored(api, owner, stored) -> None:
    other = _file(secrets.token_bytes(20), "/a.mp4", episode="run 1")
    longer = _file(secrets.token_bytes(21), "/a.mp4", episode="run 1")
    asked = {
        "unchanged": stored,
        "changed": other,
        "stored": stored | {"name": "/copy.mp4"},
        "new": other | {"name": "/b.mp4"},
        "same-size": _unread(stored),
    }
    assert _compare(api, owner, *asked.values()) == list(asked)
    assert _compare(api, owner, longer, _unread(longer)) == ["changed", "changed"]
    assert _compare(api, owner, _unread(other) | {"name": "/b.mp4"}) == ["new"]


def test_a_name_is_that_of_one_kind_in_one_episode(api, owner, stored) -> None:
    elsewhere = [
        _unread(stored) | {"episode": "run 2"},
        {key: value for key, value in _unread(stored).items() if key != "episode"},
        _unread(stored) | {"kind": "audio"},
    ]
    assert _compare(api, owner, *elsewhere) == ["new"] * 3
    other_project = api.post("/uploads/compare", json={"owner": owner, "project": "attic", "files": [stored]})
    assert other_project.json()["files"] == ["new"], "bytes are kept by project"


def test_what_a_name_stood_for_before_is_there_and_its_name_is_not(api, owner, files, stored) -> None:
    data = secrets.token_bytes(30)
    files.stage(data)
    later = _file(data, "/a.mp4", episode="run 1")
    _bulk(api, owner, "finish", later)
    assert _compare(api, owner, stored, later) == ["stored", "unchanged"]
    assert _compare(api, owner, _unread(stored), _unread(later)) == ["same-size", "same-size"]
    _bulk(api, owner, "finish", stored)
    assert _compare(api, owner, stored, later) == ["unchanged", "stored"]


def test_what_turned_out_not_to_be_stored_is_to_be_sent(api, owner, stored, claim, begin, pipeline) -> None:
    partition = claim()[0]["partition"]
    [record] = begin(partition)["items"]
    gone = {"id": record["id"], "error": {"code": "staged_object_missing", "message": "Nothing there."}}
    pipeline.post("/pipeline/batches/results", json={"partition": partition, "runId": "run-1", "results": [gone]})
    assert _compare(api, owner, stored) == ["changed"]
    assert _bulk(api, owner, "plan", stored)[0]["action"] == "put"


def test_asking_has_no_effect(service, api, owner, stored) -> None:
    def rows():
        with service.app.state.database.connect() as connection:
            return [
                connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
                for table in ("records", "uploads", "signed_puts")
            ]

    before = rows()
    large = {"kind": "video", "name": "/large.mp4", "size": 10**10, "hash": secrets.token_hex(32)}
    assert _compare(api, owner, large, _file(secrets.token_bytes(20), "/b.mp4")) == ["new", "new"]
    assert rows() == before


@pytest.mark.parametrize("ask", [records.find, lambda connection, some: _same_names(connection, some)])
def test_a_lookup_does_not_go_through_the_project_for_each_file(service, owner, ask) -> None:
    """Also in a table that grew fast, of which Postgres has no statistics yet."""
    some = [
        records.NewRecord(
            Kind.AUDIO, owner, "lab", f"run {n % 7}", f"/{n}.wav", f"{owner}/{n}", None, 5, "audio/wav", queue=True
        )
        for n in range(1500)
    ]
    with service.app.state.database.begin() as connection:
        records.insert(connection, some)
        before = _tuples_read(connection)
        found = ask(connection, some[:1000])
        assert len(found) == 1000 and None not in found
        assert _tuples_read(connection) - before <= 10 * len(some)


def _same_names(connection, some):
    files = [records.NamedFile(one.kind, one.episode, one.name, one.staging_key, one.size) for one in some]
    return records.same_names(connection, some[0].owner, some[0].project, files)


def _tuples_read(connection) -> int:
    """Rows of `records` that this transaction read so far, by whatever way."""
    query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'records'"
    return int(connection.execute(text(query)).scalar_one())


def test_what_failed_before_is_told_beside(api, owner, stored, claim, begin, pipeline) -> None:
    other = _file(secrets.token_bytes(20), "/a.mp4", episode="run 1")
    asked = [stored, _unread(stored), other, stored | {"name": "/copy.mp4"}]
    body = {"owner": owner, "project": "lab", "files": asked}
    same = ["unchanged", "same-size", "changed", "stored"]
    assert api.post("/uploads/compare", json=body).json() == {"files": same, "failed": []}
    partition = claim()[0]["partition"]
    [record] = begin(partition)["items"]
    broken = {"id": record["id"], "error": {"code": "media_corrupt", "message": "It is damaged."}}
    pipeline.post("/pipeline/batches/results", json={"partition": partition, "runId": "run-1", "results": [broken]})
    pipeline.post("/pipeline/batches/finish", json={"partition": partition, "runId": "run-1"})
    assert api.post("/uploads/compare", json=body).json() == {"files": same, "failed": [0, 1]}
    _bulk(api, owner, "finish", stored)  # tried again
    assert api.post("/uploads/compare", json=body).json() == {"files": same, "failed": []}
