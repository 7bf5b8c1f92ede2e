"""The table of kinds."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.kinds import KINDS, KNOWN_EXTENSIONS, Kind, content_type_of, kind_of


@pytest.mark.parametrize(
    ("extensions", "kind", "route"),
    [
        (".mp4 .mov .avi .mkv .webm .m4v .qt .3gp .3g2 .mk3d .ts .mts .m2ts .m2t", Kind.VIDEO, "videos"),
        (
            ".wav .mp3 .flac .aac .ogg .oga .opus .m4a .m4b .mka .weba .wave .mp2 .mpga .ac3 .eac3 .ec3 .amr",
            Kind.AUDIO,
            "audio",
        ),
        (".vtt .srt", Kind.TEXT_TRACK, "text-tracks"),
        (".jsonl .csv .ndjson .tsv", Kind.LABEL_TRACK, "labels"),
    ],
)
def test_every_extension_has_its_kind_whatever_its_case(extensions: str, kind: Kind, route: str) -> None:
    assert tuple(KINDS[kind].extensions) == tuple(extensions.split())
    assert kind.spec.route == route
    for extension in extensions.split():
        for name in (f"run{extension}", f"/a b/RUN.x{extension.upper()}"):
            assert kind_of(name) is kind
            assert content_type_of(name) == kind.spec.extensions[extension]


@pytest.mark.parametrize("name", ["run", "run.txt", ".mp4", "run.mp4.part", "mp4", "folder.mp4/run", ""])
def test_other_names_have_no_kind(name: str) -> None:
    assert kind_of(name) is None
    assert content_type_of(name) == "application/octet-stream"


def test_nothing_is_spelled_the_same_for_two_kinds() -> None:
    assert len(set(KNOWN_EXTENSIONS)) == len(KNOWN_EXTENSIONS)
    assert set(KINDS) == set(Kind)
    for field in ("route", "id_field", "bss_id_field", "label"):
        assert len({getattr(spec, field) for spec in KINDS.values()}) == len(KINDS)
