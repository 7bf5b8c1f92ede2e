"""What a person changes: asked for by scripts of the viewer's pages, with a key that may write."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...admission import most_bytes, new_router
from ...api.common import Episode, Id, Model, Owner, Project
from ...api.server import Asset, AssetChange, EpisodeChange, EpisodeDetails, TimeOffset
from ...kinds import Kind
from ...remote.bss import in_slices
from ..context import Editor, Lake

router = new_router()


_MOST_IDS = 10_000


class Retry(Model):
    """Records that are to be processed again."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=_MOST_IDS)]


class Retried(Model):
    """The records that were queued."""

    ids: list[Id]


@router.post("/actions/retry", openapi_extra=most_bytes(32 * _MOST_IDS))
def retry(session: Editor, services: Lake, asked: Retry) -> Retried:
    """Queue failed files again; those that are not failed stay as they are."""
    found = (record for some in in_slices(asked.ids) for record in services.bss.requeue(some))
    return Retried(ids=[record.id for record in found if not record.status.is_final])


class Offset(Model):
    """By how many seconds a file is later than its own times say; null: nobody says so any more."""

    asset_id: Id
    kind: Kind
    time_offset_sec: TimeOffset | None


class Opinion(EpisodeChange):
    """What people say of an episode; what is absent stays."""

    namespace: Owner
    project: Project
    episode: Episode


@router.post("/actions/offset")
def offset(session: Editor, services: Lake, asked: Offset) -> Asset:
    """Store the offset of a file; the answer is the file."""
    change = AssetChange(time_offset_sec=asked.time_offset_sec)
    return services.index.change_asset(asked.kind, asked.asset_id, change)


@router.post("/actions/episode")
def episode(session: Editor, services: Lake, asked: Opinion) -> EpisodeDetails:
    """Store flag and note of an episode; the answer is the episode."""
    said = {name: getattr(asked, name) for name in ("flag", "note") if name in asked.model_fields_set}
    return services.index.change_episode(asked.namespace, asked.project, asked.episode, EpisodeChange(**said))
