"""Fetching a staged object: the bytes on the disk are those that were promised, or it is said what is wrong."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing.fetch import fetch
from dreamlake_pipeline.storage import ObjectStore

DATA = b"some bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()


def record(owner: str, promised: str | None, kind: Kind = Kind.VIDEO, size: int | None = None) -> Record:
    now = datetime.now(UTC)
    return Record(
        id=new_id(),
        kind=kind,
        owner=owner,
        project="lab",
        episode=None,
        name="/-rf; $(boom).mp4",
        staging_hash=promised,
        staging_key=f"{owner}/lab/staging/key",
        size=size,
        content_type=None,
        status=Status.PROCESSING,
        created_at=now,
        updated_at=now,
    )


@pytest.mark.parametrize("promised", [SHA256, SHA256[:16], None])
def test_bytes_that_were_promised(object_store: ObjectStore, owner: str, tmp_path: Path, promised: str | None) -> None:
    asked = record(owner, promised)
    object_store.put(asked.staging_key, DATA, content_type="video/mp4")
    source = fetch(object_store, asked, tmp_path)
    assert (source.sha256, source.size, source.path.read_bytes()) == (SHA256, len(DATA), DATA)
    assert source.path.name == f"{asked.id}.source"


@pytest.mark.parametrize(
    ("stored", "promised", "code"),
    [
        (DATA, "0" * 64, Code.HASH_MISMATCH),
        (DATA, "0" * 16, Code.HASH_MISMATCH),
        (b"", SHA256, Code.FILE_EMPTY),
        (None, SHA256, Code.STAGED_OBJECT_MISSING),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(
    object_store: ObjectStore, owner: str, tmp_path: Path, stored: bytes | None, promised: str, code: Code
) -> None:
    asked = record(owner, promised)
    if stored is not None:
        object_store.put(asked.staging_key, stored, content_type="video/mp4")
    with pytest.raises(DreamlakeError) as caught:
        fetch(object_store, asked, tmp_path)
    assert caught.value.code is code and asked.name in caught.value.message


def test_a_small_sound_stays_in_memory(object_store: ObjectStore, owner: str, tmp_path: Path) -> None:
    asked = record(owner, SHA256, Kind.AUDIO, len(DATA))
    object_store.put(asked.staging_key, DATA, content_type="audio/wav")
    source = fetch(object_store, asked, tmp_path)
    assert (source.read(), source.sha256, source.size) == (DATA, SHA256, len(DATA))
    assert not list(tmp_path.iterdir())
    assert source.path.read_bytes() == source.path.read_bytes() == DATA  # for whoever needs a file


def test_no_more_comes_into_memory_than_was_promised(object_store: ObjectStore, owner: str, tmp_path: Path) -> None:
    asked = record(owner, SHA256, Kind.AUDIO, len(DATA))
    object_store.put(asked.staging_key, DATA + b"more", content_type="audio/wav")
    with pytest.raises(DreamlakeError) as caught:  # its beginning would have the promised hash
        fetch(object_store, asked, tmp_path)
    assert caught.value.code is Code.HASH_MISMATCH
    object_store.put(asked.staging_key, DATA, content_type="audio/wav")
    assert fetch(object_store, record(owner, SHA256, Kind.AUDIO, len(DATA) - 1), tmp_path).data is None
    unpromised = record(owner, None, Kind.AUDIO, len(DATA) - 1)
    source = fetch(object_store, unpromised, tmp_path)
    assert (source.read(), source.sha256) == (DATA, SHA256)
