"""Files by their places: one, many, what becomes of them when they are deleted, and how a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dreamlake_pipeline.client import DreamLake, File, Kind
from dreamlake_pipeline.errors import Code, DreamlakeError
from tests.integrity.conftest import OWNER, World, srt

RUN = "cups@lab:run-001"


@pytest.fixture
def drafts(world: World, tmp_path: Path) -> Iterator[str]:
    """A project of this test's own with two processed text tracks, one of them in no episode."""
    for name, episode in (("a.srt", "drafts:one"), ("b.srt", "drafts")):
        (tmp_path / name).write_bytes(srt(f"{name} <script>alert(1)</script>"))
        assert not world.lake.upload(tmp_path / name, episode=episode).failed
    world.process()
    yield "drafts"
    with suppress(DreamlakeError):
        for file in world.lake.files("drafts"):
            file.delete()


@pytest.mark.parametrize(
    "words",
    [
        (RUN, "/camera/front.mp4"),
        (RUN, "camera/front.mp4"),
        (f"{RUN}/camera/front.mp4",),
        ("cups:run-001/camera/front.mp4",),
    ],
)
def test_one_file_by_its_place(lake: DreamLake, words: tuple[str, ...]) -> None:
    file = lake.file(*words)
    assert (file.name, file.kind, file.status, file.episode) == ("/camera/front.mp4", "video", "ready", "run-001")
    assert file.place == f"{RUN}/camera/front.mp4"
    assert file.metadata["width"] == 160
    assert lake.file(file.place).bss_id == lake.file(file.bss_id).bss_id == file.bss_id
    assert repr(file) == f"<File {file.place} (video, ready)>"


def test_a_file_that_is_not_there_names_the_nearest(lake: DreamLake) -> None:
    for words in ((RUN, "/camera/frnt.mp4"), (f"{RUN}/camera/frnt.mp4",)):
        with pytest.raises(DreamlakeError) as caught:
            lake.file(*words)
        assert caught.value.code is Code.NOT_FOUND
        assert "/camera/front.mp4" in str(caught.value)


def test_files_of_a_place_with_reasons(lake: DreamLake) -> None:
    def names(**wanted: object) -> set[str]:
        return {file.name for file in lake.files("cups", **wanted)}  # type: ignore[arg-type]

    everything = names()
    assert len(everything) == 7
    assert {file.name for file in lake.files(RUN)} == everything
    in_labels = {"/labels/joints.csv", "/labels/marks.jsonl"}
    assert names(kind="label-track") == names(kind=[Kind.LABEL_TRACK]) == in_labels
    assert {file.name for file in lake.files(RUN, folder="labels")} == in_labels
    assert {file.name for file in lake.files(f"{RUN}/labels")} == in_labels
    assert {file.name for file in lake.files(RUN, folder="/")} == everything
    assert names(kind=["video", "audio"], status="ready") == {"/camera/front.mp4", "/microphone/left.wav"}
    [failed] = lake.files("cups", status="failed")
    assert failed.name == "/camera/broken.mp4"
    assert failed.error is not None
    assert failed.error.message
    table = lake.table("cups").set_index("name")
    assert table.loc["/camera/broken.mp4", "reason"] == failed.error.message
    assert table.loc["/camera/front.mp4", "frames"] == 225


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"what": "cupz"}, Code.NOT_FOUND),
        ({"what": "cups:run-002"}, Code.NOT_FOUND),
        ({"what": "cups:run-001", "folder": "label"}, Code.NOT_FOUND),
        ({"what": "cups", "kind": "movie"}, Code.UNKNOWN_KIND),
        ({"what": "cups", "status": "done"}, Code.USAGE),
    ],
)
def test_files_of_what_is_not_there_are_an_error(lake: DreamLake, wanted: dict[str, str], code: Code) -> None:
    with pytest.raises(DreamlakeError) as caught:
        lake.files(**wanted)
    assert caught.value.code is code
    assert caught.value.hint


def test_a_deleted_file_leaves_no_ghost(world: World, drafts: str) -> None:
    lake = world.lake
    for file in list(lake.files(drafts)):
        file.delete()
        file.delete()
        for look in (lambda file=file: lake.file(file.place), file.refresh, file.text):
            with pytest.raises(DreamlakeError) as caught:
                look()
            assert caught.value.code is Code.NOT_FOUND
        assert lake.restore([one for one in lake.restorable(lake_places(drafts)) if one.id == file.bss_id])
        assert lake.file(file.place).text() == file.text()
        lake.delete(file.bss_id if file.episode else file.place)
    with pytest.raises(DreamlakeError) as caught:
        lake.files(drafts)
    assert caught.value.code is Code.NOT_FOUND


def test_what_is_not_there_is_not_deleted_nor_retried(world: World, drafts: str) -> None:
    for act in (
        lambda: world.lake.delete("drafts:one/nonesuch.srt"),
        lambda: world.lake.delete("drafts:one"),
        lambda: world.lake.retry("drafst"),
        lambda: world.lake.retry("drafts:two"),
    ):
        with pytest.raises(DreamlakeError) as caught:
            act()
        assert caught.value.code is Code.NOT_FOUND and "drafts" in f"{caught.value.message} {caught.value.hint}"
    assert len(list(world.lake.files(drafts))) == 2 == world.lake.retry(drafts).files


def lake_places(project: str) -> list:
    from dreamlake_pipeline.remote.bss import Place

    return [Place(OWNER, project)]


def test_a_record_that_went_without_its_name_is_no_file(world: World, drafts: str) -> None:
    lake = world.lake
    [one, _] = lake.files(drafts)
    lake.bss.delete(one.kind, one.bss_id)
    assert [file.bss_id for file in lake.files(drafts)] != []
    assert one.bss_id not in {file.bss_id for file in lake.files(drafts)}
    assert one.bss_id not in set(lake.table(drafts)["bss_id"])
    with pytest.raises(DreamlakeError) as caught:
        lake.file(one.place)
    assert caught.value.code is Code.NOT_FOUND


def test_a_file_is_processed_again_and_waited_for(world: World, drafts: str) -> None:
    [one, _] = world.lake.files(drafts)
    with pytest.raises(DreamlakeError) as caught:
        one.retry(everything=True).wait(timeout=0)
    assert caught.value.code is Code.TIMED_OUT
    assert one.status == "queued"
    assert one.text().startswith("WEBVTT")  # its earlier result stands
    world.process()
    assert one.wait(timeout=60).status == "ready"
    assert one.retry().status == "ready"


def test_a_file_comes_back_as_it_was(lake: DreamLake, recordings: Path, tmp_path: Path) -> None:
    file = lake.file(RUN, "/labels/joints.csv")
    for target, path in (
        (tmp_path, tmp_path / "joints.csv"),
        (tmp_path / "other.csv", tmp_path / "other.csv"),
        (f"{tmp_path}/new/deep/", tmp_path / "new/deep/joints.csv"),
    ):
        assert file.download(target) == path
        assert path.read_bytes() == (recordings / "run-001/labels/joints.csv").read_bytes()
    (tmp_path / "taken").write_text("")
    for wrong in (tmp_path / "no/such/folder/x.csv", f"{tmp_path}/taken/", "", "\0", "/proc/x"):
        with pytest.raises(DreamlakeError):
            file.download(wrong)


def _html(file: File) -> str:
    shown = file._repr_html_()
    assert "<script" not in shown
    return shown


def test_a_notebook_shows_pictures_and_cues(world: World, drafts: str) -> None:
    lake = world.lake
    for name, kind in (
        ("/camera/front.mp4", "image/jpeg"),
        ("/microphone/left.wav", "image/png"),
        ("/labels/joints.csv", "image/png"),
    ):
        assert f'src="data:{kind};base64,' in _html(lake.file(RUN, name))
    assert "Grasping &lt;i&gt;the&lt;/i&gt; cup" in _html(lake.file(RUN, "/subtitles/words.srt"))
    broken = lake.file(RUN, "/camera/broken.mp4")
    assert broken.error is not None
    assert broken.error.code in _html(broken)
    assert "&lt;script&gt;" in "".join(_html(file) for file in lake.files(drafts))
    table = lake.files("cups")._repr_html_()
    assert table.count("<tr>") == 8
    assert repr(lake.files("cups")).count("\n") == 6


def test_a_notebook_shows_what_it_can(world: World, drafts: str) -> None:
    [one, _] = world.lake.files(drafts)
    one.delete()
    assert "No picture: " in one._repr_html_()
    gone = world.lake.files("cups")
    gone._lake = DreamLake(remote="http://127.0.0.1:9", bss_url="http://127.0.0.1:9", api_key="x", namespace=OWNER)
    assert "does not answer" in gone._repr_html_()
