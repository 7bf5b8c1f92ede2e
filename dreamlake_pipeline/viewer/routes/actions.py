"""What a person changes: asked for by scripts of the viewer's pages, with a key that may write."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...admission import new_router
from ...api.common import Episode, Id, Model, Owner, Project
from ...api.server import AssetChange, EpisodeChange
from ...client.bss import in_slices
from ...kinds import Kind
from ..context import Editor, Lake

router = new_router()


class Done(Model):
    """It is as it was asked for."""

    done: bool = True


class Retry(Model):
    """Records that are to be processed again."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=10_000)]


class Retried(Model):
    """The records that were queued."""

    ids: list[Id]


class Offset(AssetChange):
    """By how much a file of the index is later than its own times."""

    asset_id: Id
    kind: Kind


class Opinion(EpisodeChange):
    """What a person says of an episode; what is left out stays."""

    namespace: Owner
    project: Project
    episode: Episode


@router.post("/actions/offset")
def move_track(session: Editor, services: Lake, asked: Offset) -> Done:
    """Set a file's offset on the clock of its episode; null takes it away."""
    services.index.change_asset(asked.kind, asked.asset_id, AssetChange(time_offset_sec=asked.time_offset_sec))
    return Done()


@router.post("/actions/episode")
def judge_episode(session: Editor, services: Lake, asked: Opinion) -> Done:
    """Set an episode's flag, its note, or both."""
    change = EpisodeChange.model_validate(asked.model_dump(include={"flag", "note"}, exclude_unset=True))
    services.index.change_episode(asked.namespace, asked.project, asked.episode, change)
    return Done()


@router.post("/actions/retry")
def retry(session: Editor, services: Lake, asked: Retry) -> Retried:
    """Queue failed files again; those that are not failed stay as they are."""
    queued = [record.id for some in in_slices(asked.ids) for record in services.bss.requeue(some)]
    return Retried(ids=queued)
