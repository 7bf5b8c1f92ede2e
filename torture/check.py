"""What has to be true when the last fault is over and all has settled: of every file, record, chunk and index entry."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx
import imageio_ffmpeg
from botocore.exceptions import ClientError

from dreamlake_pipeline import layout
from dreamlake_pipeline.kinds import KINDS, Kind

from .clients import DREAMLAKE
from .inputs import Expected

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_SIDE_BY_SIDE = 4
_MOST_TOLD = 10  # of one kind of finding


class World(Protocol):
    """What is looked at, past all doors: tables, bucket, services."""

    @property
    def bucket(self) -> str: ...

    @property
    def environment(self) -> dict[str, str]: ...

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]: ...

    def s3(self) -> Any: ...


@dataclass(slots=True)
class Checked:
    """What was counted, and what is wrong: sentences by what kind of wrong it is."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def find(self, kind: str, what: str) -> None:
        self.wrong[kind].append(what)

    def lines(self) -> Iterator[str]:
        for kind, found in self.wrong.items():
            yield f"{kind}: {len(found)}"
            yield from (f"    {what}" for what in found[:_MOST_TOLD])


def check(world: World, expected: Sequence[Expected]) -> Checked:
    """Look at everything."""
    checked, records = check_tables(world, expected)
    _check_raw(checked, world, records)
    _check_chunks(checked, world)
    _check_playback(checked, world, records, expected)
    return checked


def check_tables(world: World, expected: Sequence[Expected]) -> tuple[Checked, list[dict[str, Any]]]:
    """Look at what the tables say, and at no bytes; the records of BSS, too."""
    checked = Checked()
    records = world.rows("SELECT * FROM bss.records ORDER BY id")
    _check_files(checked, records, expected)
    _check_nothing_open(checked, world)
    _check_index(checked, world, records)
    return checked, records


def check_no_orphans(checked: Checked, world: World) -> None:
    """After garbage was collected: every object of the bucket is named by somebody who is there."""
    records = world.rows("""
        SELECT id, staging_key FROM bss.records
        UNION ALL SELECT id, staging_key FROM bss.deleted_records WHERE purged_at IS NULL""")
    ids = {record["id"] for record in records}
    named = {record["staging_key"] for record in records}
    named |= {layout.chunk_key(row["sha256"]) for row in world.rows("SELECT sha256 FROM bss.chunk_refs")}
    folders = {spec.route for spec in KINDS.values()}
    pages = world.s3().get_paginator("list_objects_v2").paginate(Bucket=world.bucket)
    for key in (item["Key"] for page in pages for item in page.get("Contents", [])):
        parts = key.split("/")
        if len(parts) > 3 and parts[2] in folders and parts[3] not in ids:
            checked.find("orphans", f"{key} is of no record")
        elif (key.startswith(layout.CHUNK_PREFIX) or parts[2:3] == ["staging"]) and key not in named:
            checked.find("orphans", f"{key} is named by nobody")


def _check_files(checked: Checked, records: Sequence[dict[str, Any]], expected: Sequence[Expected]) -> None:
    """Every good file is ready once, every bad one has failed for what it is, and there is nothing else."""
    by_place = defaultdict(list)
    for record in records:
        by_place[_place(record)].append(record)
    checked.counts["files"] = len(expected)
    for file in expected:
        found = by_place.pop(file.place, [])
        if not found:
            checked.find("lost", f"{_say(file)} has no record")
            continue
        if len(found) > 1:
            checked.find("duplicated", f"{_say(file)} has {len(found)} records")
        record = found[0]
        code = (record["error"] or record["last_error"] or {}).get("code")
        if record["last_error"] is not None:
            checked.find("failed by machinery", f"{_say(file)} is ready with a last error: {record['last_error']}")
        if file.errors:
            if record["status"] != "failed":
                checked.find("wrong verdict", f"{_say(file)} is bad, and {record['status']}")
            elif code not in file.errors:
                checked.find("wrong verdict", f"{_say(file)} failed with {record['error']}")
            else:
                checked.counts["bad, and said so"] += 1
            continue
        if record["status"] == "failed":
            checked.find("failed by machinery", f"{_say(file)}: {record['error']}")
        elif record["status"] != "ready":
            checked.find("stuck", f"{_say(file)} is {record['status']}")
        elif (record["sha256"], record["size"]) != (file.sha256, file.size):
            checked.find("wrong bytes", f"{_say(file)} is {record['sha256']}, {record['size']} bytes")
        else:
            checked.counts["ready"] += 1
        checked.counts["attempts beyond the first"] += max(0, record["attempts"] - 1)
    for place, strangers in by_place.items():
        checked.find("duplicated", f"{place} was brought by nobody: {[record['id'] for record in strangers]}")


def _check_nothing_open(checked: Checked, world: World) -> None:
    for row in world.rows("SELECT partition, state FROM bss.batches WHERE state = 'open'"):
        checked.find("open", f"batch {row['partition']}")
    for row in world.rows("SELECT staging_key FROM bss.uploads"):
        checked.find("open", f"the multipart upload of {row['staging_key']} has a row")
    for upload in world.s3().list_multipart_uploads(Bucket=world.bucket).get("Uploads", []):
        checked.find("open", f"the multipart upload of {upload['Key']} in the object store")


def _check_index(checked: Checked, world: World, records: Sequence[dict[str, Any]]) -> None:
    """The index has every record that its name stands for, as it is, and nothing else."""
    entries = world.rows(
        "SELECT bss_id, namespace, project, episode, path, kind, status, sha256, size FROM dreamlake.asset_details"
    )
    checked.counts["index entries"] = len(entries)
    held: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        place = _place(record)
        if place not in held or record["uploaded_at"] > held[place]["uploaded_at"]:
            held[place] = record
    for entry in entries:
        place = entry["namespace"], entry["project"], entry["episode"], entry["path"]
        if place not in held:
            checked.find("index differs", f"{place} is in the index alone")
            continue
        record = held.pop(place)
        if entry["bss_id"] != record["id"]:
            checked.find("index differs", f"{place} is {entry['bss_id']} in the index, {record['id']} in BSS")
        elif (entry["status"], entry["kind"]) != (record["status"], record["kind"]) or (
            record["status"] == "ready" and (entry["sha256"], entry["size"]) != (record["sha256"], record["size"])
        ):
            checked.find("index differs", f"{place} is {entry['status']} in the index, {record['status']} in BSS")
    for place in held:
        checked.find("index differs", f"{place} is not in the index")


def _check_raw(checked: Checked, world: World, records: Sequence[dict[str, Any]]) -> None:
    """The bytes of every record are there as they were brought, and so is its meta.json when it is ready."""
    hashes = {record["staging_key"]: record["sha256"] for record in records if record["sha256"]}
    for key, digest in _hashes(world, hashes):
        checked.counts["raw objects read back"] += 1
        if digest != hashes[key]:
            checked.find("missing or wrong", f"{key}: {digest or 'it is not there'}")
    metas = [
        layout.meta_key(record["owner"], record["project"], Kind(record["kind"]), record["id"])
        for record in records
        if record["status"] == "ready"
    ]
    for key, digest in _hashes(world, metas):
        if digest is None:
            checked.find("missing or wrong", f"{key} is not there")


def _check_chunks(checked: Checked, world: World) -> None:
    """Every chunk that a record refers to is stored, and is what its name says."""
    referred = world.rows(
        "SELECT DISTINCT sha256, stored_at, size FROM bss.chunk_refs JOIN bss.chunks USING (sha256) ORDER BY sha256"
    )
    for row in referred:
        if row["stored_at"] is None:
            checked.find("missing or wrong", f"chunk {row['sha256']} is referred to and was never said to be stored")
    keys = {layout.chunk_key(row["sha256"]): row["sha256"] for row in referred}
    for key, digest in _hashes(world, keys):
        checked.counts["chunks read back"] += 1
        if digest != keys[key]:
            checked.find("missing or wrong", f"{key}: {digest or 'it is not there'}")


def _check_playback(
    checked: Checked, world: World, records: Sequence[dict[str, Any]], expected: Sequence[Expected]
) -> None:
    """Every video and sound plays to its end: ffmpeg, given BSS's URL, gets every frame."""
    frames = {file.place: file.frames for file in expected}
    playable = [record for record in records if record["status"] == "ready" and record["kind"] in ("video", "audio")]
    headers = {"Authorization": f"Bearer {world.environment['DREAMLAKE_API_KEY']}"}

    def play(record: dict[str, Any]) -> str | None:
        route = {"video": "videos", "audio": "audio"}[record["kind"]]
        with httpx.Client(base_url=world.environment["DREAMLAKE_BSS_URL"], headers=headers, timeout=60) as http:
            url = http.get(f"/{route}/{record['id']}/playback").raise_for_status().json()["url"]
        words = ["-nostdin", "-v", "error", "-xerror", "-i", url, "-progress", "-", "-f", "null", "-"]
        done = subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), *words], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            return done.stderr.strip()[-300:] or f"ffmpeg ended with {done.returncode}"
        got = [int(line.partition("=")[2]) for line in done.stdout.splitlines() if line.startswith("frame=")]
        wanted = frames.get(_place(record)) if record["kind"] == "video" else None
        return None if wanted is None or (got and got[-1] == wanted) else f"{got[-1:]} frames, not {wanted}"

    # The same content plays the same chunks: once for each is enough, and for every record its playlists are read.
    distinct = list({(record["owner"], record["kind"], record["sha256"]): record for record in playable}.values())
    for record, trouble in _side_by_side(play, distinct):
        checked.counts["played to the end"] += 1
        if trouble:
            checked.find("does not play", f"{record['kind']} {record['id']} {record['name']}: {trouble}")
    refs = defaultdict(set)
    for row in world.rows("SELECT record_id, sha256 FROM bss.chunk_refs"):
        refs[row["record_id"]].add(row["sha256"])
    for record in playable:
        if (named := _chunks_named(world, record)) != refs[record["id"]]:
            checked.find("missing or wrong", f"{record['id']}: its playlists name {len(named)} chunks, its row others")


def _chunks_named(world: World, record: dict[str, Any]) -> set[str]:
    where = (record["owner"], record["project"], Kind(record["kind"]), record["id"])
    named: set[str] = set()
    s3 = world.s3()
    for stream in record["metadata"]["streams"]:
        text = s3.get_object(Bucket=world.bucket, Key=layout.stream_key(*where, stream))["Body"].read().decode()
        named |= {layout.chunk_of_uri(line) for line in text.splitlines() if line and not line.startswith("#")}
    return named


def _hashes(world: World, keys: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """The SHA-256 of every object; None of one that is not there."""
    s3 = world.s3()

    def digest(key: str) -> str | None:
        try:
            return hashlib.sha256(s3.get_object(Bucket=world.bucket, Key=key)["Body"].read()).hexdigest()
        except ClientError:
            return None

    return _side_by_side(digest, list(keys))


def _side_by_side(work: Callable[[_Item], _Answer], items: Sequence[_Item]) -> Iterator[tuple[_Item, _Answer]]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        yield from zip(items, pool.map(work, items), strict=True)


def _place(record: dict[str, Any]) -> tuple[str, str, str | None, str]:
    return record["owner"], record["project"], record["episode"], record["name"]


def _say(file: Expected) -> str:
    return f"{file.project}@{file.owner}:{file.episode or ''}{file.name}"


def check_by_fsck(environment: Mapping[str, str], checked: Checked) -> None:
    """`dreamlake fsck --deep` finds nothing either."""
    done = subprocess.run(
        [DREAMLAKE, "fsck", "--deep", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 1) or not events:
        checked.find("fsck", f"it ended with {done.returncode}: {done.stderr[-500:]}")
    for event in events:
        if event["event"] == "finding":
            checked.find(f"fsck: {event['code']}", json.dumps(event))
