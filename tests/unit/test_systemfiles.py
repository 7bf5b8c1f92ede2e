"""What systems and tools leave in folders, and what people may call their own files."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.systemfiles import system_file, system_folder, system_part

LEFT = """._front.mp4 ._labels.csv .DS_Store .ds_store Thumbs.db ehthumbs.db Thumbs.db:encryptable
    desktop.ini Desktop.ini
    front.mp4:Zone.Identifier ~$labels.csv .~lock.labels.csv# labels.csv~ .labels.csv.swp #labels.csv# .#labels.csv
    .syncthing.labels.csv.tmp ~syncthing~labels.csv.tmp front.mp4.part front.mp4.crdownload front.mp4.filepart .dropbox
    .dropbox.attr .sync_1a2b3c.db .sync_1a2b3c.db-wal labels.tmp LABELS.TMP .front.mp4.Ab12Cd .front.mp4.kQzWrT
    .nfs000000000001a2b300000012 .fuse_hidden0000a1b200000003 .trashed-1700000000-front.mp4 .pending-1700000000-a.mp4
    .localized .apdisk .nomedia front.mp4@SynoResource"""

FOLDERS = """$RECYCLE.BIN .Trash .Trashes .Trash-1000 #recycle .Spotlight-V100 .fseventsd .TemporaryItems @eaDir
    lost+found
    __MACOSX .git .svn .hg .snapshot .zfs .ipynb_checkpoints .stversions .dropbox.cache"""

OWN = """front.mp4 .hidden.mp4 _front.mp4 -front.mp4 ~front.mp4 .x.csv.backup .calib.Camera .run.1.parquet labels.csv
    lock.csv part.csv
    labels.sync-conflict-20260101-101010-ABCDEFG.csv trash.csv thumbs.csv tmp.csv ds_store.csv .front.webm .a.jsonl"""


@pytest.mark.parametrize("name", [*LEFT.split(), "Icon\r", "~$my labels.csv", "two\nlines.csv~"])
def test_what_is_left_by_systems(name: str) -> None:
    assert system_file(name)
    assert system_part(f"/camera/{name}")


@pytest.mark.parametrize("name", [*OWN.split(), "labels (conflicted copy).csv", "copy of ._front.mp4", ".", ""])
def test_what_may_be_anybodys(name: str) -> None:
    assert system_file(name) is None
    assert system_part(f"/camera/{name}") is None


@pytest.mark.parametrize("name", [*FOLDERS.split(), "System Volume Information"])
def test_folders_of_systems(name: str) -> None:
    assert system_folder(name) and system_folder(name.upper())
    assert system_part(f"run-1/{name}/files/front.mp4")


@pytest.mark.parametrize("name", ["trash", "recycle", ".camera", "lost", "snapshots", "git", "front.mp4.part", ""])
def test_folders_of_people(name: str) -> None:
    assert system_folder(name) is None
