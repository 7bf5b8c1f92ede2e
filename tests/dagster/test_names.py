"""A name stands for what was last uploaded under it, whatever the order in which uploads are indexed and processed."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from dreamlake_pipeline.api.bss import FinishUploads, PlannedFile, PlannedUploads, PlanUploads, Record
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.pipeline import ItemResult
from dreamlake_pipeline.api.server import BSS_ID_FIELDS, BatchAsset
from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing.index import asset_of
from dreamlake_pipeline.resources import FolderTreeResource

PROJECT = "lab"
KINDS = [Kind.TEXT_TRACK, Kind.LABEL_TRACK]


class Name:
    """One name, the contents that are uploaded under it, and those who work on it: clients and runs.

    `world` holds no other name: what a run takes is of this one.
    """

    def __init__(self, world: Any, tree: FolderTreeResource) -> None:
        self.world, self.tree = world, tree
        self.name = f"/{secrets.token_hex(6)}"
        self.contents = [secrets.token_bytes(20) for _ in range(3)]
        self.last = ""  # the record of the last upload
        self.untold: list[BatchAsset] = []  # what clients and runs are still to tell the index
        self.asset_id = ""

    def upload(self, content: int, kind: Kind) -> None:
        """What `dreamlake upload` does up to the index: a file that BSS knows already is not registered again."""
        data = self.contents[content]
        file = self.world.stage(f"{self.name}.srt", data).model_copy(update={"name": self.name, "kind": kind})
        asked = PlanUploads(owner=self.world.owner, project=PROJECT, files=[PlannedFile(**file.model_dump())])
        [plan] = self.world.http.post("/uploads/plan", asked, PlannedUploads).files
        record_id, uploaded_at = plan.record_id, plan.uploaded_at
        if record_id is None:
            [done] = self.world.finish(FinishUploads(owner=self.world.owner, project=PROJECT, files=[file]))
            record_id, uploaded_at = done.id, done.uploaded_at
        self.last = record_id
        self.untold.append(
            BatchAsset(
                namespace=self.world.owner,
                project=PROJECT,
                episode_name=file.episode,
                name=self.name,
                kind=kind,
                uploaded_at=uploaded_at,
                restore=True,
                **{BSS_ID_FIELDS[kind]: record_id},
            )
        )

    def tell(self, chance: random.Random, most: int) -> None:
        """The index hears of some of it, in any order, one by one or together."""
        told = [self.untold.pop(chance.randrange(len(self.untold))) for _ in range(min(most, len(self.untold)))]
        if told:
            self.asset_id = self.tree.upsert(told)[0].id

    def process(self, chance: random.Random) -> None:
        """A run takes what is queued; some of it fails, some is given back."""
        for offer in self.world.claim():
            run = secrets.token_hex(4)
            items = self.world.pipeline.begin(offer.partition, run, lease_seconds=0).items
            results = [self._result(item, chance) for item in items if chance.random() < 0.8]
            self.world.pipeline.report(offer.partition, run, results)
            self.world.pipeline.give_back(offer.partition, run, [item.id for item in items])
            known = self.world.pipeline.items(offer.partition).items
            assert {item.name for item in known} <= {self.name}
            self.untold += [asset_of(item) for item in known if item.status.is_final or item.reported_at]
            if chance.random() < 0.8:
                self.world.pipeline.finish(offer.partition, run)

    def _result(self, item: Record, chance: random.Random) -> ItemResult:
        if chance.random() < 0.3:
            return ItemResult(id=item.id, error=ErrorBody(code="text_invalid", message="It is empty."))
        return ItemResult(id=item.id, metadata={"cues": 1})

    def holder(self) -> str:
        [(bss_id, *_)] = self.tree.statuses([self.asset_id]).values()
        return bss_id


@pytest.fixture
def tree(world: Any) -> Any:
    return world.resources()["folder_tree"]


step = st.one_of(
    st.tuples(st.just("upload"), st.integers(0, 2), st.sampled_from(KINDS)),
    st.tuples(st.just("tell"), st.integers(1, 4)),
    st.tuples(st.just("process")),
    st.tuples(st.just("retry")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=1, max_size=14), seed=st.integers(0, 2**32))
def test_a_name_ends_with_the_last_upload(
    new_world: Any, tree: FolderTreeResource, steps: list[Any], seed: int
) -> None:
    chance, world = random.Random(seed), new_world()
    name = Name(world, tree)
    name.upload(0, Kind.TEXT_TRACK)
    for what, *details in steps:
        match what:
            case "upload":
                name.upload(*details)
            case "tell":
                name.tell(chance, *details)
            case "process":
                name.process(chance)
            case "retry":
                world.requeue([name.last])
    for _ in range(3):
        name.process(chance)
    while name.untold:
        name.tell(chance, 3)
    assert name.holder() == name.last


def test_the_first_content_uploaded_again_before_anything_is_processed(world: Any, tree: FolderTreeResource) -> None:
    name = Name(world, tree)
    for content in (0, 1, 0):
        name.upload(content, Kind.TEXT_TRACK)
    first, second, again = name.untold
    assert again.uploaded_at > second.uploaded_at > first.uploaded_at
    name.tell(random.Random(1), 3)
    for _ in range(4):
        name.process(random.Random(2))
    name.tell(random.Random(3), 100)
    assert name.holder() == name.last == again.bss_id(Kind.TEXT_TRACK) == first.bss_id(Kind.TEXT_TRACK)


def test_clients_and_runs_side_by_side(world: Any, tree: FolderTreeResource) -> None:
    name = Name(world, tree)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(6):
            try:
                name.upload(chance.randrange(3), chance.choice(KINDS))
                name.process(chance)
            except DreamlakeError as error:
                if error.code is not Code.CONFLICT:  # another run took the batch
                    raise
            if name.untold:
                tree.upsert([chance.choice(name.untold)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    name.upload(1, Kind.TEXT_TRACK)
    while name.untold:
        name.tell(random.Random(5), 7)
    assert name.holder() == name.last


def test_a_clock_that_was_set_back(world: Any, tree: FolderTreeResource) -> None:
    name = Name(world, tree)
    name.upload(0, Kind.TEXT_TRACK)
    engine = create_engine(with_driver(world.postgres_url, "psycopg"))
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE bss.records SET uploaded_at = uploaded_at + interval '1 hour' WHERE owner = :owner"),
            {"owner": world.owner},
        )
    engine.dispose()
    [first] = name.untold
    name.untold = [first.model_copy(update={"uploaded_at": first.uploaded_at + timedelta(hours=1)})]
    for content, kind in [(1, Kind.TEXT_TRACK), (2, Kind.LABEL_TRACK), (0, Kind.TEXT_TRACK), (1, Kind.LABEL_TRACK)]:
        name.upload(content, kind)
    times = [one.uploaded_at for one in name.untold]
    assert times == sorted(times) and len(set(times)) == len(times)
    name.tell(random.Random(1), 100)
    assert name.holder() == name.last
