"""`DreamLake.delete`: a file is gone from BSS and from the index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.errors import Code, DreamlakeError


def _names(lake: DreamLake, owner: str) -> list[str]:
    return [node.path for node in lake.index.nodes(owner, "robot")]


def test_a_file_is_deleted_from_both(lake: DreamLake, owner: str, tmp_path: Path, outcome: Any) -> None:
    for name in ("a.srt", "b.srt"):
        (tmp_path / name).write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{name}\n")
    run = outcome(lake.upload_events(sorted(tmp_path.iterdir()), episode="robot"))
    [record] = lake.bss.query([run.of("a.srt").id])
    for _ in range(2):
        lake.delete(record)
        assert _names(lake, owner) == ["/b.srt"]
    with pytest.raises(DreamlakeError) as caught:
        lake.bss.get(record.kind, record.id)
    assert caught.value.code is Code.NOT_FOUND

    # The same again is a new record, which deleting the old one does not touch.
    again = outcome(lake.upload_events([tmp_path / "a.srt"], episode="robot"))
    assert again.of("a.srt").id != record.id
    lake.delete(record)
    assert _names(lake, owner) == ["/a.srt", "/b.srt"]
    asset_id = again.of("a.srt").asset_id
    lake.index.delete(record.kind, asset_id, bss_id=record.id)
    assert _names(lake, owner) == ["/a.srt", "/b.srt"]
    lake.index.delete(record.kind, asset_id)
    assert _names(lake, owner) == ["/b.srt"]
