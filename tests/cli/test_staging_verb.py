"""`staging`: what was laid into the bucket by somebody else, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dreamlake_pipeline.api.pipeline import StagedObject
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

SRT = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"


@pytest.fixture
def laid(object_store: ObjectStore, services: Any, owner: str) -> ObjectStore:
    """A letter and what lies in no project, which were ignored, and a track that was registered."""
    told = []
    for project, rest, more in (
        ("arm", "notes.txt", {"code": "unknown_kind", "reason": "Its content is none of the kinds."}),
        ("arm", "run-1@@/a.srt", {"kind": "text-track", "name": "/a.srt", "episode": "run-1"}),
        ("Bad Project", "b.srt", {"code": "invalid_name", "reason": "Its folder is no project."}),
    ):
        key = f"{owner}/{project}/staging/{rest}"
        object_store.put(key, SRT, content_type="text/plain")
        found = object_store.head(key)
        assert found is not None
        seen = {"key": key, "owner": owner, "project": project, "size": found.size, "etag": found.etag}
        told.append(StagedObject.model_validate(seen | more))
    with ServiceClient("BSS", services.bss_url, services.token("*")) as bss:
        PipelineClient(bss).adopt(told)
    return object_store


def test_what_is_ignored_is_shown_with_why_and_what_to_do(dreamlake: Callable[..., Any], laid: Any) -> None:
    done = dreamlake("staging")
    assert done.code == 0
    assert "arm/staging/notes.txt" in done.out and "Its content is none of the kinds." in done.out
    assert "Bad Project/staging/b.srt" in done.out and "a.srt" not in done.out
    assert "2 objects ignored" in done.out and "unknown_kind: Lay it there again" in done.out
    alone = dreamlake("staging", "Bad Project")
    assert "b.srt" in alone.out and "notes.txt" not in alone.out


def test_all_shows_what_became_of_each(dreamlake: Callable[..., Any], laid: Any, owner: str) -> None:
    laid.put(f"{owner}/arm/staging/young.srt", SRT, content_type="text/plain")
    rows = {one["key"].partition("/staging/")[2]: one for one in dreamlake("staging", "arm", "--all", "--json").events}
    assert {rest: one["fate"] for rest, one in rows.items()} == {
        "notes.txt": "ignored",
        "run-1@@/a.srt": "registered",
        "young.srt": "waiting",
    }
    assert rows["run-1@@/a.srt"]["episode"] == "run-1" and rows["run-1@@/a.srt"]["bssId"]
    shown = dreamlake("staging", "arm", "--all").out
    assert "arm:run-1/a.srt" in shown and "1 object ignored" in shown and "1 object waiting" in shown


def test_what_is_wrong_says_so(dreamlake: Callable[..., Any], laid: Any) -> None:
    missing = dreamlake("staging", "armm")
    assert missing.code == 1 and "There is no project 'armm'" in missing.err
    assert dreamlake("staging", "--all").code == 2
    wrong = dreamlake("staging", "arm:run-1")
    assert wrong.code == 2 and "PROJECT[@NAMESPACE]" in wrong.err
    assert dreamlake("staging", "arm@somebody").code == 2  # the token does not reach it


def test_nothing_that_is_ignored_is_said_too(dreamlake: Callable[..., Any], laid: Any, owner: str) -> None:
    laid.delete([f"{owner}/arm/staging/notes.txt"])
    done = dreamlake("staging", "arm")
    assert done.code == 0 and "Nothing" in done.out
