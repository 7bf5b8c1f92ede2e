"""Keys of the bucket."""

from __future__ import annotations

from posixpath import join, normpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline import layout
from dreamlake_pipeline.kinds import Kind

slugs = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
texts = st.text(st.characters(codec="utf-8"), min_size=1)
kinds = st.sampled_from(Kind)


@given(owner=slugs, project=slugs, rest=texts)
def test_staging_keys_come_apart_as_they_were_put_together(owner: str, project: str, rest: str) -> None:
    key = layout.staging_key(owner, project, rest)
    assert key.startswith(layout.staging_prefix(owner, project))
    assert layout.parse_staging_key(key) == (owner, project, rest)


@given(key=st.text("ab/", max_size=10).map(lambda text: text.replace("b", "staging")))
def test_only_staging_keys_are_taken_apart(key: str) -> None:
    parts = layout.parse_staging_key(key)
    if parts is not None:
        assert layout.staging_key(*parts) == key


@pytest.mark.parametrize("key", ["", "a/b/staging", "a/b/staging/", "a/b/videos/x", "chunks/0.ts", "a/staging/b/c"])
def test_other_keys_are_no_staging_keys(key: str) -> None:
    assert layout.parse_staging_key(key) is None


@given(owner=slugs, project=slugs, kind=kinds, sha256=sha256s)
def test_a_stored_playlist_names_its_chunks_relative_to_itself(
    owner: str, project: str, kind: Kind, sha256: str
) -> None:
    for playlist in (
        layout.stream_key(owner, project, kind, "0" * 24, "f" * 32),
        layout.master_key(owner, project, kind, "0" * 24),
    ):
        resolved = normpath(join("/", playlist, "..", layout.chunk_uri(f"{sha256}.ts")))
        assert resolved == "/" + layout.chunk_key(sha256)
    assert layout.chunk_of_uri(layout.chunk_uri(f"{sha256}.ts")) == sha256


@given(owner=slugs, project=slugs, kind=kinds)
def test_everything_made_from_a_record_lies_in_its_folder(owner: str, project: str, kind: Kind) -> None:
    folder = layout.asset_prefix(owner, project, kind, "0" * 24)
    assert folder == f"{owner}/{project}/{kind.spec.route}/{'0' * 24}/"
    made = [
        layout.meta_key(owner, project, kind, "0" * 24),
        layout.master_key(owner, project, kind, "0" * 24),
        layout.stream_key(owner, project, kind, "0" * 24, "f" * 32),
        *(layout.result_key(owner, project, kind, "0" * 24, name) for name in layout.RESULT_FILES[kind]),
    ]
    assert all(key.startswith(folder) for key in made)
    assert len(set(made)) == len(made)
    assert all(layout.parse_staging_key(key) is None for key in made)


@given(kind=kinds, name=texts, episode=texts | st.none(), content_hash=sha256s)
def test_staging_metadata_reads_back(kind: Kind, name: str, episode: str | None, content_hash: str) -> None:
    written = layout.staging_metadata(kind=kind, name=name, episode=episode, content_hash=content_hash)
    assert all(value.isascii() and value.isprintable() and value == value.strip() for value in written.values())
    given_values = {"kind": str(kind), "hash": content_hash, "name": name, "episode": episode}
    assert layout.read_staging_metadata(written) == {field: value for field, value in given_values.items() if value}


@given(
    name=st.text(st.characters(codec="utf-8"), max_size=1024),
    episode=st.text(st.characters(codec="utf-8"), max_size=255),
    content_hash=sha256s,
)
def test_staging_metadata_keeps_to_the_limit_of_s3(name: str, episode: str, content_hash: str) -> None:
    written = layout.staging_metadata(kind=Kind.VIDEO, name=name, episode=episode, content_hash=content_hash)
    assert sum(len(field) + len(value) for field, value in written.items()) <= 2048
    assert {"kind", "hash"} <= set(written)
    read = layout.read_staging_metadata(written)
    assert read.get("name", name) == name and read.get("episode", episode) == episode


def test_a_long_name_is_left_out_whole_and_the_rest_stays() -> None:
    written = layout.staging_metadata(kind=Kind.AUDIO, name="/" + "語" * 340, episode="run-001", content_hash="0" * 64)
    assert layout.read_staging_metadata(written) == {"kind": "audio", "hash": "0" * 64, "episode": "run-001"}


def test_metadata_of_others_is_passed_over() -> None:
    assert layout.read_staging_metadata({"mtime": "1", "name": "/a%20b.mp4", "kind": ""}) == {"name": "/a b.mp4"}
