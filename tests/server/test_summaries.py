"""Episodes and projects in short: what is summed up is what counting says, pages and filters, and what they cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.server import summaries
from dreamlake_pipeline.server.index import upsert_assets
from dreamlake_pipeline.server.removal import IndexedFile, remove_files

Call = Callable[..., Any]
Make = Callable[..., BatchAsset]
Pages = Callable[..., list[Any]]
Register = Callable[..., None]


@pytest.fixture
def register(engine: Engine) -> Register:
    def write(*assets: BatchAsset) -> None:
        with engine.begin() as connection:
            upsert_assets(connection, list(assets))

    return write


@pytest.fixture
def episodes(every_page: Pages, owner: str) -> Callable[..., list[Any]]:
    """All summaries of a project that match, by pages."""

    def collect(project: str = "robots", **params: Any) -> list[Any]:
        return every_page(f"/namespaces/{owner}/projects/{project}/episodes/summaries", **params)

    return collect


def ready(seconds: float | None = None, **metadata: Any) -> dict[str, Any]:
    found = metadata if seconds is None else {"durationSec": seconds, **metadata}
    return {"status": "ready", "size": 1000, "sha256": "ab" * 32, "metadata": found}


def names(found: list[Any]) -> list[str | None]:
    return [one["name"] for one in found]


def test_an_episode_in_short(register: Register, asset: Make, call: Call, owner: str) -> None:
    cameras = [
        asset(f"/c{n}.mp4", episode_name="e", **ready(60.5 + n, posterUrl=f"/videos/{n}/poster.jpg")) for n in range(6)
    ]
    register(
        *cameras[::-1],
        asset("/dark.mp4", episode_name="e", **ready(1, kindByContent="audio")),
        asset("/a.wav", kind=Kind.AUDIO, episode_name="e", **ready(70)),
        asset("/b.csv", kind=Kind.LABEL_TRACK, episode_name="e", size=5),
        asset("/0.mp4", episode_name="e", status="failed", metadata={"error": {"code": "x", "message": "y"}}),
        asset("/other.mp4", **ready(500)),
    )
    found = call("GET", f"/namespaces/{owner}/projects/robots/episode", params={"episode": "e"})
    assert (found["name"], found["files"], found["bytes"], found["durationSec"]) == ("e", 10, 8005, 70)
    assert found["counts"] == {"video": 8, "audio": 1, "label-track": 1}
    assert found["statuses"] == {"registered": 1, "ready": 8, "failed": 1}
    assert (found["flag"], found["note"]) == (None, None)
    assert found["posters"] == [{"kind": "video", "bssId": one.bss_video_id} for one in cameras[:4]]
    page = call("GET", f"/namespaces/{owner}/projects/robots/episodes/summaries")
    assert page["items"][1] == {name: value for name, value in found.items() if name not in ("previous", "next")}
    none = page["items"][0]
    assert (none["id"], none["name"], none["files"], none["durationSec"]) == (None, None, 1, 500)


def test_the_newest_come_first_by_pages_of_any_size(
    register: Register, asset: Make, episodes: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(asset("/a.mp4"))
    register(*(asset("/a.mp4", episode_name=f"run-{n}") for n in (1, 3, 2)))
    for n in range(4, 12):
        register(asset("/a.mp4", episode_name=f"run-{n}"))
    expected = [None, *(f"run-{n}" for n in range(11, 0, -1))]
    for most in (2000, 3, 1):
        monkeypatch.setattr(summaries, "_MOST_LOOKED_AT", most)
        for limit in (1, 2, 3, 11, 12, 100):
            assert names(episodes(limit=limit)) == expected, (most, limit)
            assert names(episodes(limit=limit, q="RUN-1")) == ["run-11", "run-10", "run-1"], (most, limit)


def test_filters(register: Register, asset: Make, episodes: Callable[..., list[Any]], call: Call, owner: str) -> None:
    register(asset("/a.mp4", episode_name="short", **ready(5)), asset("/b.wav", kind=Kind.AUDIO, episode_name="short"))
    register(asset("/a.mp4", episode_name="LÄNGE", **ready(50)))
    register(asset("/a.mp4", episode_name="broken", status="failed"))
    between = call("GET", f"/namespaces/{owner}/projects/robots/episode", params={"episode": "broken"})["createdAt"]
    register(asset("/a.csv", kind=Kind.LABEL_TRACK, episode_name="labels", **ready()))
    where = f"/namespaces/{owner}/projects/robots/episode"
    call("PATCH", where, params={"episode": "short"}, json={"flag": "bad", "note": "Gripper 100% stuck_"})
    call("PATCH", where, params={"episode": "labels"}, json={"flag": "good"})

    assert names(episodes(status="failed")) == ["broken"]
    assert names(episodes(status=["failed", "registered"])) == ["broken", "short"]
    assert names(episodes(kind="audio")) == ["short"]
    assert names(episodes(kind="video", status="registered")) == []
    assert names(episodes(kind="video", status="ready")) == ["LÄNGE", "short"]
    assert names(episodes(minLengthSec=5)) == ["LÄNGE", "short"]
    assert names(episodes(maxLengthSec=5)) == ["short"]
    assert names(episodes(minLengthSec=6, maxLengthSec=49.9)) == []
    assert names(episodes(until=between)) == ["LÄNGE", "short"]
    assert names(episodes(since=between)) == ["labels", "broken"]
    assert names(episodes(since="2026-01-01T00:00:00+20:00", until="2199-12-31T00:00:00-23:00"))  # as no place is
    assert names(episodes(q="ort")) == ["short"]
    assert names(episodes(q="gripper 100% STUCK_")) == ["short"]
    assert names(episodes(q="%")) == ["short"]
    assert names(episodes(q="LÄ")) == ["LÄNGE"]
    assert names(episodes(flag="bad")) == ["short"]
    assert names(episodes(flag="good")) == ["labels"]
    assert names(episodes(flag="none")) == ["broken", "LÄNGE"]
    assert names(episodes(flag="bad", q="gripper", kind="video", maxLengthSec=5, status="ready")) == ["short"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "done"},
        {"kind": "picture"},
        {"minLengthSec": "nan"},
        {"maxLengthSec": "-1"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"flag": "ugly"},
        {"order": "oldest"},
        {"limit": "0"},
        {"q": "x" * 256},
        {"q": "\x00"},
        {"cursor": "x"},
        {"cursor": "WyJ4IiwgInkiXQ"},
    ],
    ids=str,
)
def test_what_no_filter_is(register: Register, asset: Make, call: Call, owner: str, wrong: dict[str, str]) -> None:
    register(asset("/a.mp4", episode_name="e"))
    answer = call("GET", f"/namespaces/{owner}/projects/robots/episodes/summaries", params=wrong, status=None)
    assert answer["error"]["code"] in ("invalid_request", "invalid_name"), answer


def test_the_names_beside_an_episode(register: Register, asset: Make, call: Call, engine: Engine, owner: str) -> None:
    def beside(episode: str = "") -> tuple[str | None, str | None]:
        found = call("GET", f"/namespaces/{owner}/projects/robots/episode", params={"episode": episode})
        return found["previous"], found["next"]

    register(*(asset("/a.mp4", episode_name=name) for name in ("c", "a", "gone", "x")))
    with engine.begin() as connection:
        assert remove_files(connection, [IndexedFile(Kind.VIDEO, owner, "robots", "gone", "/a.mp4")]) == 1
    assert [beside(name) for name in "acx"] == [(None, "c"), ("a", "x"), ("c", None)]
    call("GET", f"/namespaces/{owner}/projects/robots/episode", status=404)
    call("GET", f"/namespaces/{owner}/projects/robots/episode", params={"episode": "gone"}, status=404)
    register(asset("/a.mp4"))
    assert [beside(), beside("a")] == [(None, "a"), ("", "c")]


def test_totals_are_of_what_the_token_reaches(
    register: Register, asset: Make, service: TestClient, token: Callable[..., Any], every_page: Pages, owner: str
) -> None:
    other = f"{owner}-2"
    register(
        asset("/a.mp4", episode_name="e", **ready(2.25)),
        asset("/b.wav", kind=Kind.AUDIO, **ready(3)),
        asset("/b.csv", kind=Kind.LABEL_TRACK, **ready(100)),
        asset("/a.mp4", project="arms", status="failed"),
        asset("/a.mp4", namespace=other, project="legs"),
    )

    def totals(*namespaces: str, **params: str) -> Any:
        return service.get("/projects/totals", params=params, headers=token(*namespaces, scope="read"))

    arms, robots = totals(owner).json()["items"]
    assert (arms["project"], arms["files"], arms["statuses"]) == ("arms", 1, {"failed": 1})
    assert (robots["namespace"], robots["files"], robots["bytes"], robots["durationSec"]) == (owner, 3, 3000, 5.25)
    assert robots["counts"] == {"video": 1, "audio": 1, "label-track": 1} and robots["statuses"] == {"ready": 3}
    assert [one["project"] for one in every_page("/projects/totals", limit=1)] == ["arms", "robots"]
    assert [one["project"] for one in totals(owner, other).json()["items"]] == ["arms", "robots", "legs"]
    assert [one["project"] for one in totals(owner, other, namespace=other).json()["items"]] == ["legs"]
    mine = [one["project"] for one in totals("*").json()["items"] if one["namespace"] in (owner, other)]
    assert mine == ["arms", "robots", "legs"]
    assert totals(owner, namespace=other).status_code == 403
    assert totals("somebody-else").json()["items"] == []


def _counted(engine: Engine, owner: str) -> dict[str | None, Any]:
    """By episode, what the files are that are there."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT episode, kind, status, size, duration_sec FROM asset_details WHERE namespace = :owner"""),
            {"owner": owner},
        ).all()
    found: dict[str | None, Any] = {}
    for row in rows:
        its = found.setdefault(row.episode, [Counter(), Counter(), 0, None])
        its[0][row.kind] += 1
        its[1][row.status] += 1
        its[2] += row.size or 0
        its[3] = row.duration_sec if its[3] is None else max(its[3], row.duration_sec or 0)
    return {episode: (dict(one[0]), dict(one[1]), one[2], one[3]) for episode, one in found.items()}


def test_sums_are_what_counting_says_whatever_was_written_side_by_side(
    engine: Engine, asset: Make, episodes: Callable[..., list[Any]], owner: str
) -> None:
    """Eight writers add, change and remove files of the same few episodes; the tallies are put together meanwhile."""
    records = {f"/{n}.mp4": [new_id() for _ in range(3)] for n in range(12)}

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            with engine.begin() as connection:
                places = [(chance.choice([None, "a", "b"]), chance.choice(list(records))) for _ in range(5)]
                if chance.random() < 0.3:
                    gone = [IndexedFile(Kind.VIDEO, owner, "robots", *place) for place in places]
                    remove_files(connection, gone)
                    continue
                upsert_assets(
                    connection,
                    [
                        asset(
                            name,
                            bss=chance.choice(records[name]),
                            episode_name=episode,
                            status=chance.choice([None, "queued", "ready", "failed"]),
                            size=chance.choice([None, 1, 10, 100]),
                            metadata=chance.choice([None, {}, {"durationSec": chance.choice([0.1, 0.2, 7.7])}]),
                            restore=chance.random() < 0.5,
                        )
                        for episode, name in places
                    ],
                )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    found = {
        one["name"]: (one["counts"], one["statuses"], one["bytes"], one["durationSec"]) for one in episodes(limit=100)
    }
    assert found == _counted(engine, owner)


def test_tallies_are_put_together_before_they_are_many(engine: Engine, asset: Make, register: Register) -> None:
    for n in range(100):
        register(asset(f"/{n % 3}.mp4", episode_name="e", status="ready", size=n))
    with engine.connect() as connection:
        [most] = connection.execute(
            text("""
            SELECT max(rows) FROM (SELECT count(*) AS rows FROM tallies GROUP BY place) AS places""")
        ).scalars()
    assert most <= 80


@pytest.mark.parametrize("wrong", ["long", -1, 1e12, 10**400, [1], {"a": 1}, True, None], ids=str)
def test_a_duration_that_is_none_is_no_duration(
    register: Register, asset: Make, episodes: Callable[..., list[Any]], wrong: Any
) -> None:
    register(asset("/a.mp4", episode_name="e", status="ready", metadata={"durationSec": wrong}))
    assert episodes()[0]["durationSec"] is None


def test_a_thousand_new_episodes_in_one_call(register: Register, asset: Make, call: Call, owner: str) -> None:
    """Before Postgres has statistics, looking their roots up took minutes."""
    register(*(asset("/a.mp4", episode_name=f"run-{n:04}") for n in range(1000)))
    page = call("GET", f"/namespaces/{owner}/projects/robots/episodes/summaries", params={"limit": 1000})
    assert names(page["items"]) == [f"run-{n:04}" for n in range(999, -1, -1)] and page["cursor"] is None
