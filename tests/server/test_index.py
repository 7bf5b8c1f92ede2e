"""`upsert_assets` on a real Postgres: what an upsert does, alone, in a batch, and beside others."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.metadata import Processing
from dreamlake_pipeline.api.server import Asset, AssetRef, BatchAsset
from dreamlake_pipeline.database import SERVER_SCHEMA, open_engine
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.server.assets import assets_by_id
from dreamlake_pipeline.server.index import upsert_assets
from dreamlake_pipeline.server.treekey import tree_key

Make = Callable[..., BatchAsset]

READY = {"status": "ready", "size": 10, "sha256": "ab" * 32, "metadata": {"durationSec": 1.5}}


def upsert(engine: Engine, *assets: BatchAsset) -> list[AssetRef]:
    with engine.begin() as connection:
        return upsert_assets(connection, list(assets))


def stored(engine: Engine, ref: AssetRef) -> Asset:
    with engine.connect() as connection:
        return assets_by_id(connection, [ref.id])[ref.id]


def known(asset: Asset) -> dict[str, Any]:
    return {"status": asset.status, "size": asset.size, "sha256": asset.sha256, "metadata": asset.metadata}


NOTHING = {"status": "registered", "size": None, "sha256": None, "metadata": None}


def test_the_references_come_in_order_and_say_where_the_files_are(engine: Engine, asset: Make) -> None:
    names = ["/b/2.mp4", "/a.mp4", "/b/1.mp4", "/b/c/d/3.mp4"]
    refs = upsert(engine, *(asset(name, episode_name="day 1/run") for name in names))
    assert [stored(engine, ref).name for ref in refs] == names
    assert [ref.filename for ref in refs] == ["2.mp4", "a.mp4", "1.mp4", "3.mp4"]
    assert refs[0].node_id == refs[2].node_id and len({ref.node_id for ref in refs}) == 3
    assert len({ref.episode_id for ref in refs}) == 1 and refs[0].episode_id
    details = stored(engine, refs[3])
    assert (details.folder, details.episode, details.node_id) == ("/b/c/d", "day 1/run", refs[3].node_id)


def test_the_same_name_twice_is_one_asset(engine: Engine, asset: Make) -> None:
    (first,) = upsert(engine, asset("/a.mp4"))
    (again,) = upsert(engine, asset("/a.mp4"))
    assert again == first


def test_files_of_no_episode_and_of_episodes_are_in_trees_of_their_own(engine: Engine, asset: Make) -> None:
    refs = upsert(engine, asset("/x/a.mp4"), asset("/x/a.mp4", episode_name="e1"), asset("/x/a.mp4", project="other"))
    assert len({ref.id for ref in refs}) == len({ref.node_id for ref in refs}) == 3
    assert refs[0].episode_id is None and refs[0].project_id == refs[1].project_id != refs[2].project_id


def test_the_same_record_keeps_what_a_later_upsert_leaves_out(engine: Engine, asset: Make) -> None:
    bss = new_id()
    (ref,) = upsert(engine, asset("/a.mp4", bss=bss, **READY))
    before = stored(engine, ref)
    upsert(engine, asset("/a.mp4", bss=bss))
    assert stored(engine, ref) == before  # not even updatedAt changes
    upsert(engine, asset("/a.mp4", bss=bss, size=11))
    assert known(stored(engine, ref)) == READY | {"size": 11}
    assert stored(engine, ref).updated_at > before.updated_at


def test_a_status_that_comes_late_does_not_undo_ready(engine: Engine, asset: Make) -> None:
    bss = new_id()
    (ref,) = upsert(engine, asset("/a.mp4", bss=bss, status="queued"))
    assert stored(engine, ref).status == "queued"
    upsert(engine, asset("/a.mp4", bss=bss, **READY))
    upsert(engine, asset("/a.mp4", bss=bss, status="queued"))
    assert stored(engine, ref).status == "ready"
    upsert(engine, asset("/a.mp4", bss=bss, status="failed"))
    assert stored(engine, ref).status == "failed"


def test_a_newer_record_takes_the_name_and_forgets_the_older_one(engine: Engine, asset: Make) -> None:
    (ref,) = upsert(engine, asset("/a.wav", kind=Kind.AUDIO, **READY))
    newer = new_id()
    assert upsert(engine, asset("/a.wav", bss=newer)) == [ref.model_copy(update={"status": Status.REGISTERED})]
    now = stored(engine, ref)
    assert (now.bss_id, now.kind) == (newer, Kind.VIDEO) and known(now) == NOTHING


def test_an_older_record_does_not_take_the_name_back(engine: Engine, asset: Make) -> None:
    older, newer = new_id(), new_id()
    (ref,) = upsert(engine, asset("/a.mp4", bss=newer, status="queued"))
    assert upsert(engine, asset("/a.mp4", bss=older, **READY)) == [ref]
    assert (stored(engine, ref).bss_id, stored(engine, ref).status) == (newer, "queued")


def test_an_older_record_is_restored_on_request(engine: Engine, asset: Make) -> None:
    older, newer = new_id(), new_id()
    (ref,) = upsert(engine, asset("/a.mp4", bss=newer, status="queued"))
    upsert(engine, asset("/a.mp4", bss=older, restore=True, **READY))
    assert stored(engine, ref).bss_id == older and known(stored(engine, ref)) == READY


def test_a_name_twice_in_a_batch_is_one_reference_and_the_last_wins(engine: Engine, asset: Make) -> None:
    older, newer = new_id(), new_id()
    refs = upsert(engine, asset("/a.mp4", bss=older, **READY), asset("/b.mp4"), asset("/a.mp4", bss=newer))
    assert refs[0] == refs[2] != refs[1]
    assert stored(engine, refs[0]).bss_id == newer and known(stored(engine, refs[0])) == NOTHING


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_batch_has_the_effect_of_its_upserts_one_by_one(engine: Engine, asset: Make, data: st.DataObject) -> None:
    records = [new_id() for _ in range(3)]
    steps = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "bss": st.sampled_from(records),
                    "status": st.sampled_from([None, *Status]),
                    "size": st.sampled_from([None, 1, 2]),
                    "metadata": st.sampled_from([None, {}, {"fps": 30}]),
                }
            ),
            min_size=1,
            max_size=6,
        )
    )
    batch, single = f"/{new_id()}.mp4", f"/{new_id()}.mp4"
    refs = upsert(engine, *(asset(batch, **step) for step in steps))
    for step in steps:
        (ref,) = upsert(engine, asset(single, **step))
    one, other = stored(engine, refs[0]), stored(engine, ref)
    assert (one.bss_id, known(one)) == (other.bss_id, known(other))


def test_a_file_and_a_folder_may_have_the_same_path(engine: Engine, asset: Make) -> None:
    upsert(engine, asset("/a"), asset("/a/b"))
    upsert(engine, asset("/a/b/c"))


def test_metadata_that_jsonb_cannot_hold_is_mended(engine: Engine, asset: Make) -> None:
    mended = asset("/a.mp4", metadata={"x\x00": ["\ud800", float("nan"), {"fine": "é\\u0000", "n": None}]})
    (ref,) = upsert(engine, mended)
    assert stored(engine, ref).metadata == {"x\ufffd": ["\ufffd", None, {"fine": "é\\u0000", "n": None}]}


def test_the_deepest_path_is_stored(engine: Engine, asset: Make) -> None:
    (ref,) = upsert(engine, asset("/a" * 512))
    assert stored(engine, ref).folder == "/a" * 511


def test_an_empty_batch_is_no_work(engine: Engine) -> None:
    assert upsert(engine) == []


def test_a_batch_that_fails_leaves_nothing(engine: Engine, asset: Make, owner: str) -> None:
    broken = asset("/b.mp4").model_copy(update={"size": -1})
    with pytest.raises(Exception, match="assets_size_check"):
        upsert(engine, asset("/a.mp4"), broken)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM namespaces WHERE name = :name"), {"name": owner})
        assert found.scalar() == 0


def test_the_number_of_statements_does_not_grow_with_the_batch(engine: Engine, asset: Make) -> None:
    def statements(count: int, prefix: str) -> int:
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(engine, "before_cursor_execute", listener)
        try:
            upsert(
                engine, *(asset(f"/{prefix}/{i % 7}/{i}.mp4", episode_name=f"e{prefix}{i % 5}") for i in range(count))
            )
        finally:
            event.remove(engine, "before_cursor_execute", listener)
        return len(seen)

    assert statements(400, "a") == statements(20, "b") <= 13
    assert statements(400, "a") <= 4  # nothing new but the records


def test_what_says_nothing_new_locks_and_writes_nothing(engine: Engine, asset: Make) -> None:
    files = [asset(f"/a/{n}.mp4", size=10, sha256="ab" * 32, restore=True) for n in range(5)]
    first = upsert(engine, *files)
    upsert(engine, asset("/a/0.mp4", bss=files[0].bss_video_id, **READY))

    def versions() -> list[Any]:
        """Of each row, the transactions that wrote it and that locked it last."""
        with engine.connect() as connection:
            query = text("SELECT xmin::text, xmax::text FROM assets WHERE id = ANY(:ids) ORDER BY id")
            return list(connection.execute(query, {"ids": [ref.id for ref in first]}))

    before = versions()
    again = upsert(engine, *files)
    assert versions() == before
    assert [ref.id for ref in again] == [ref.id for ref in first]
    assert [ref.status for ref in again] == [Status.READY, *[Status.REGISTERED] * 4]
    upsert(engine, files[1].model_copy(update={"size": 11}))
    assert stored(engine, first[1]).size == 11


def test_writers_side_by_side_make_every_folder_once_and_never_deadlock(
    engine: Engine, asset: Make, owner: str
) -> None:
    """8 threads register overlapping sets of deep paths in random order, all of it new to the server."""
    names = [f"/{a}/{b}/{c}/{d}.mp4" for a in "ab" for b in "cd-" for c in "ef" for d in range(4)]
    episodes = [None, "e1", "e2"]

    def write(seed: int) -> set[tuple[str, str]]:
        chance = random.Random(seed)
        seen = set()
        for _ in range(4):
            batch = [asset(name, episode_name=episode) for name in names for episode in episodes]
            chance.shuffle(batch)
            batch = batch[: chance.randrange(40, len(batch))]
            for given_, ref in zip(batch, upsert(engine, *batch), strict=True):
                seen.add((f"{given_.episode_name}{given_.name}", ref.id))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = set().union(*pool.map(write, range(8)))
    assert len(seen) == len(names) * len(episodes)  # a name had the same id for all writers

    with engine.connect() as connection:
        paths = connection.execute(
            text(
                "SELECT episode.name AS episode, node.path FROM nodes AS node"
                " JOIN projects AS project ON project.id = node.project_id"
                " JOIN namespaces AS namespace ON namespace.id = project.namespace_id"
                " LEFT JOIN episodes AS episode ON episode.id = node.episode_id WHERE namespace.name = :owner"
            ),
            {"owner": owner},
        ).all()
    assert set(Counter(paths).values()) == {1}
    assert len(paths) == len(episodes) * (1 + 2 + 6 + 12)


def test_opposite_orders_do_not_deadlock(engine: Engine, asset: Make) -> None:
    """Two writers that update the same files, one in the order of the names and one against it."""
    names = [f"/{i}.mp4" for i in range(300)]

    def write(order: int) -> None:
        for _ in range(10):
            upsert(engine, *(asset(name, episode_name="e") for name in names[::order]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (1, -1)))


def test_tree_keys_sort_a_folder_before_its_content_and_that_before_its_siblings() -> None:
    paths = ["/", "/a", "/a/b", "/a/b/c", "/a/b c", "/a b", "/a-b", "/a.b", "/ab", "/b", "/é"]
    assert sorted(random.Random(1).sample(paths, len(paths)), key=tree_key) == paths


def test_a_figure_for_bulk_registration(engine: Engine, asset: Make, record_property: Callable[..., None]) -> None:
    """10,000 new files with metadata in batches of 1,000: prints files a second."""
    metadata = {"durationSec": 1.0, "processing": Processing(recipe="r", seconds=1).wire()}
    batches = [
        [
            asset(f"/cam{i % 8}/part{i % 50}/{n}-{i}.mp4", episode_name=f"e{n}", status="ready", metadata=metadata)
            for i in range(1000)
        ]
        for n in range(10)
    ]
    started = time.perf_counter()
    for batch in batches:
        refs = upsert(engine, *batch)
    rate = 10_000 / (time.perf_counter() - started)
    record_property("files_per_second", round(rate))
    print(f"\n{rate:,.0f} files a second")
    assert len({ref.id for ref in refs}) == 1000


def test_a_folders_parent_is_found_by_its_key_while_the_tree_has_no_statistics(
    new_database: Callable[[], str],
) -> None:
    """Postgres plans a foreign key's check once, on the empty table: through the whole tree, it took 1 ms a folder."""
    url = new_database()
    migrate(url, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
    engine = open_engine(url, schema=SERVER_SCHEMA, pool_size=1)
    with engine.begin() as connection:
        plan = connection.execute(
            text("EXPLAIN SELECT 1 FROM ONLY nodes WHERE root_id = 'a' AND id = 'b' FOR KEY SHARE")
        ).scalars()
        assert "nodes_root_id_id_key" in " ".join(plan)
    engine.dispose()
