from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from dreamlake_pipeline.client.cache import HashCache
from dreamlake_pipeline.client.digest import Digest, digest_file
from dreamlake_pipeline.client.walk import Version

LONG_AGO = 1_000_000_000


def written(path: Path, data: bytes, *, at: float = LONG_AGO) -> Digest:
    path.write_bytes(data)
    os.utime(path, (at, at))
    return digest_file(str(path), 5)


def version(path: Path) -> Version:
    return Version.of(path.stat())


def recall(cache: HashCache, *paths: Path) -> list[str | None]:
    return [found and found.sha256 for found in cache.recall([(str(path), version(path)) for path in paths])]


def test_what_was_remembered_is_recalled_by_another_process_in_the_same_order(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.wav" for n in range(2500)]
    digests = [written(file, b"%d" % n) for n, file in enumerate(files)]
    with HashCache(tmp_path / "cache") as cache:
        cache.remember([(str(file), digest) for file, digest in zip(files, digests, strict=True)])
    with HashCache(tmp_path / "cache") as cache:
        assert recall(cache, *files) == [digest.sha256 for digest in digests]


def test_the_parts_of_a_large_file_are_remembered_too(tmp_path: Path) -> None:
    digest = written(tmp_path / "long.mp4", b"0123456789ab")
    with HashCache(tmp_path) as cache:
        cache.remember([(str(tmp_path / "long.mp4"), digest)])
        [found] = cache.recall([(str(tmp_path / "long.mp4"), digest.version)])
    assert found is not None
    assert (found.part_size, found.parts) == (5, digest.parts)
    assert len(found.parts) == 3


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_file_that_is_no_longer_the_same_is_not_known(tmp_path: Path, change: str) -> None:
    file = tmp_path / "a.csv"
    digest = written(file, b"t,x\n")
    with HashCache(tmp_path) as cache:
        cache.remember([(str(file), digest)])
        assert recall(cache, file) == [digest.sha256]
        if change == "size":
            written(file, b"t,x\n1,2\n")
        elif change == "time":
            written(file, b"t,y\n", at=LONG_AGO + 0.001)
        else:
            written(tmp_path / "new", b"t,y\n")
            (tmp_path / "new").rename(file)
        assert recall(cache, file) == [None]


def test_a_file_that_was_just_written_to_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("one")
    with HashCache(tmp_path) as cache:
        cache.remember([(str(tmp_path / "a.csv"), digest_file(str(tmp_path / "a.csv"), 100))])
        assert recall(cache, tmp_path / "a.csv") == [None]


def test_names_of_any_bytes_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    digest = written(file, b"x")
    monkeypatch.chdir(tmp_path)
    with HashCache(tmp_path) as cache:
        cache.remember([(file.name, digest)])
        assert recall(cache, file) == [digest.sha256]


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    digest = written(file, b"x")
    with HashCache(tmp_path) as cache:
        cache.remember([(str(file), digest)])
    [database] = tmp_path.glob("*.sqlite")
    database.write_bytes(b"no database at all, however long one looks at it" * 100)
    with HashCache(tmp_path) as cache:
        assert recall(cache, file) == [None]
        cache.remember([(str(file), digest)])
        assert recall(cache, file) == [digest.sha256]


def test_pages_that_were_overwritten_cost_only_time(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.wav" for n in range(500)]
    pairs = [(str(file), written(file, b"x")) for file in files]
    with HashCache(tmp_path / "cache") as cache:
        cache.remember(pairs)
    [database] = (tmp_path / "cache").glob("*.sqlite")
    with database.open("r+b") as out:
        out.seek(4096)
        out.write(b"\xff" * (database.stat().st_size - 4096))
    with HashCache(tmp_path / "cache") as cache:
        assert set(recall(cache, *files)) == {None}
        cache.remember(pairs)


@pytest.mark.parametrize("folder", ["/dev/full/cache", "/proc/cache"])
def test_where_nothing_can_be_written_nothing_is_remembered(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    digest = written(file, b"x")
    with HashCache(Path(folder)) as cache:
        cache.remember([(str(file), digest)])
        assert recall(cache, file) == [None]


def test_a_full_disk_ends_the_remembering_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    digest = written(file, b"x")
    with HashCache(tmp_path) as cache:
        assert cache._database is not None
        cache._database.execute("PRAGMA max_page_count = 1")
        cache.remember([(f"{file}{n}", digest) for n in range(2000)])
        assert recall(cache, file) == [None]


def test_one_that_is_locked_by_somebody_else_is_used_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.cache._BUSY_SECONDS", 0.05)
    file = tmp_path / "a.csv"
    digest = written(file, b"x")
    with HashCache(tmp_path) as cache:
        [database] = tmp_path.glob("*.sqlite")
        other = sqlite3.connect(database)
        other.execute("BEGIN IMMEDIATE")
        cache.remember([(str(file), digest)])
        other.rollback()
        other.close()
        assert recall(cache, file) == [None]
        cache.remember([(str(file), digest)])
        assert recall(cache, file) == [digest.sha256]


def test_many_at_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.wav" for n in range(400)]
    pairs = [(str(file), written(file, b"%d" % n)) for n, file in enumerate(files)]

    def remember(some: list[tuple[str, Digest]]) -> None:
        with HashCache(tmp_path / "cache") as cache:
            for start in range(0, len(some), 10):
                cache.remember(some[start : start + 10])

    threads = [threading.Thread(target=remember, args=(pairs[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with HashCache(tmp_path / "cache") as cache:
        assert recall(cache, *files) == [digest.sha256 for _, digest in pairs]
