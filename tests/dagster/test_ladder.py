"""Which ladder a run makes: a video's own, else its project's, else the installation's."""

from __future__ import annotations

from typing import Any

import m3u8
import pytest

from dreamlake_pipeline.api.bss import ProjectSettings
from dreamlake_pipeline.remote.bss import BssClient
from dreamlake_pipeline.resources import MediaToolsResource


@pytest.fixture
def heights(world: Any, samples: dict[str, bytes]) -> Any:
    """Runs a batch of the same video under several names, with these ladders; the heights that came of each."""

    def run(ladders: dict[str, tuple[int, ...] | None]) -> dict[str, list[int]]:
        ids = world.register(
            [
                world.stage(name, samples["good.mp4"]).model_copy(update={"ladder": ladder})
                for name, ladder in ladders.items()
            ]
        )
        done = world.run(world.form_batch())
        assert done.success
        [materialization] = done.asset_materializations_for_node("hls_streams")
        rows = {row.data["name"]: row.data for row in materialization.metadata["items"].records}
        made = {}
        for name, record in world.records(ids).items():
            master = m3u8.loads(world.store.read(f"{world.owner}/lab/videos/{record.id}/stream/master.m3u8").decode())
            sizes = [stream.stream_info.resolution for stream in master.playlists]
            assert [(one["width"], one["height"]) for one in record.metadata["renditions"]] == sizes
            assert (rows[name].get("smaller renditions") or "") == ", ".join(f"{w}x{h}" for w, h in sizes[1:])
            made[name] = [height for _, height in sizes]
        return made

    return run


def test_the_nearest_word_counts(world: Any, heights: Any) -> None:
    world.replaced["media_tools"] = MediaToolsResource(workers=2, ladder=[90])
    assert heights({"/a.mp4": (60, 480), "/b.mp4": (), "/c.mp4": None}) == {
        "/a.mp4": [120, 60],
        "/b.mp4": [120],
        "/c.mp4": [120, 90],
    }
    BssClient(world.http).change_project(world.owner, "lab", ProjectSettings(ladder=()))
    assert heights({"/d.mp4": None, "/e.mp4": (60,)}) == {"/d.mp4": [120], "/e.mp4": [120, 60]}
