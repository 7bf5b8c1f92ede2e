"""What a person changes: asked for by scripts of the viewer's pages, with a key that may write."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...admission import new_router
from ...api.common import Id, Model
from ...client.bss import in_slices
from ..context import Editor, Lake

router = new_router()


class Retry(Model):
    """Records that are to be processed again."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=10_000)]


class Retried(Model):
    """The records that were queued."""

    ids: list[Id]


@router.post("/actions/retry")
def retry(session: Editor, services: Lake, asked: Retry) -> Retried:
    """Queue failed files again; those that are not failed stay as they are."""
    queued = [record.id for some in in_slices(asked.ids) for record in services.bss.requeue(some)]
    return Retried(ids=queued)
