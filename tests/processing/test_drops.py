"""What a foreign uploader says of a file, by its key and metadata, is understood or refused, however odd it is.

Real S3 takes keys that no file of a disk can have; so does moto's server, and not the embedded one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from dreamlake_pipeline.media.run.workers import Workers
from dreamlake_pipeline.processing.drops import Refused, understand
from dreamlake_pipeline.storage import ObjectStore

SRT = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as workers:
        yield workers


def put(store: ObjectStore, key: str) -> None:
    store.put(key, SRT, content_type="application/octet-stream")


EPISODES = [
    ("run-1", "run-1"),
    ("2026-11-22/run 1", "2026-11-22/run 1"),
    ("Läufe/ü", "Läufe/ü"),
    (unicodedata.normalize("NFD", "Läufe/ü"), "Läufe/ü"),
    ("a@@b", "a@@b"),
    ("@@", "@@"),
    ("%2F+&=?#", "%2F+&=?#"),
    ("🎥", "🎥"),
    ("run-1@", "run-1@"),
    ("e" * 255, "e" * 255),
]


@pytest.mark.parametrize(("said", "episode"), EPISODES)
@pytest.mark.parametrize("path", ["a.srt", "cam/front left.srt", "b@@/a.srt", "@@c.srt"])
def test_a_key_says_the_episode(
    moto_store: ObjectStore, workers: Workers, owner: str, said: str, episode: str, path: str
) -> None:
    key = f"{owner}/lab/staging/{said}@@/{path}"
    put(moto_store, key)
    [found] = moto_store.list_page(key).objects
    understood = understand(moto_store, workers, found)
    assert understood is not None and (understood.episode, understood.name) == (episode, f"/{path}")


@pytest.mark.parametrize("rest", ["run-1/a.srt", "run-1@/a.srt", "run-1@@a.srt", "a@@.srt"])
def test_a_key_without_the_mark_names_no_episode(
    moto_store: ObjectStore, workers: Workers, owner: str, rest: str
) -> None:
    put(moto_store, f"{owner}/lab/staging/{rest}")
    [found] = moto_store.list_page(f"{owner}/lab/staging/").objects
    understood = understand(moto_store, workers, found)
    assert understood is not None and (understood.episode, understood.name) == (None, f"/{rest}")


def test_metadata_say_the_episode_before_the_key_does(moto_store: ObjectStore, workers: Workers, owner: str) -> None:
    key = f"{owner}/lab/staging/of the key@@/a.srt"
    moto_store.put(key, SRT, content_type="text/plain", metadata={"episode": "of%20the%20metadata", "name": "front"})
    [found] = moto_store.list_page(f"{owner}/lab/staging/").objects
    understood = understand(moto_store, workers, found)
    assert understood is not None
    assert (understood.episode, understood.name) == ("of the metadata", "/a.srt")  # `front` is no path, and not ours


@pytest.mark.parametrize(
    ("rest", "data", "metadata", "code", "why"),
    [
        ("notes.txt", b"Remember the milk.", {}, "unknown_kind", "its extension (.txt)"),
        ("x.bin", b"\x00\x01\x02", {}, "unknown_kind", "none of the kinds"),
        ("x.ts", b"export const x: number = 1;\n", {}, "unknown_kind", "its extension (.ts)"),
        ("x.zip", b"PK\x03\x04rest", {}, "unknown_kind", "zip"),
        ("0" * 64, b"", {}, "file_empty", "empty"),
        ("cam/", b"", {}, "system_file", "folder marker"),
        ("run-1@@/", b"", {}, "system_file", "folder marker"),
        ("@@/a.srt", SRT, {}, "invalid_name", "episode of its key"),
        (" run@@/a.srt", SRT, {}, "invalid_name", "white space"),
        (f"{'e' * 256}@@/a.srt", SRT, {}, "invalid_name", "255 characters"),
        ("a\x07b@@/a.srt", SRT, {}, "invalid_name", "control character"),
        ("a.srt", SRT, {"episode": "e" * 300}, "invalid_name", "episode of its user metadata"),
        ("a.srt", SRT, {"name": "/" + "n" * 1100}, "invalid_name", "longer than 1024 bytes"),
        ("a.srt", SRT, {"name": "/../a.srt"}, "invalid_name", "segment"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_refused_says_why(
    moto_store: ObjectStore,
    workers: Workers,
    owner: str,
    rest: str,
    data: bytes,
    metadata: dict[str, str],
    code: str,
    why: str,
) -> None:
    key = f"{owner}/lab/staging/{rest}"
    moto_store.put(key, data, content_type="application/octet-stream", metadata=metadata)
    found = moto_store.head(key)
    assert found is not None
    with pytest.raises(Refused) as refusal:
        understand(moto_store, workers, found)
    assert refusal.value.code == code and why in refusal.value.reason and key not in refusal.value.reason
