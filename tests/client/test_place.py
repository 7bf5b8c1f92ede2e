"""What a word may name, before anybody looks at what there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.client.place import below, describe, has_owner_or_episode, readings
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.remote.bss import Place


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("cups", [Place("home", "cups")]),
        ("cups/", [Place("home", "cups")]),
        ("cups@lab", [Place("lab", "cups")]),
        ("cups/a.mp4", [Place("home", "cups", "", "/a.mp4")]),
        ("cups@lab/a/b:c@d.mp4", [Place("lab", "cups", "", "/a/b:c@d.mp4")]),
        ("cups:run-001", [Place("home", "cups", "run-001")]),
        ("cups:run-001/", [Place("home", "cups", "run-001/"), Place("home", "cups", "run-001")]),
        ("cups:/a.mp4", [Place("home", "cups", "/a.mp4"), Place("home", "cups", "", "/a.mp4")]),
        (
            "cups@lab:run/001/a b.mp4",
            [
                Place("lab", "cups", "run/001/a b.mp4"),
                Place("lab", "cups", "run/001", "/a b.mp4"),
                Place("lab", "cups", "run", "/001/a b.mp4"),
            ],
        ),
        ("cups:run /x", [Place("home", "cups", "run /x")]),  # no episode ends with a blank
    ],
)
def test_the_longest_episode_comes_first(text: str, places: list[Place]) -> None:
    assert readings(text, namespace="home") == places


@pytest.mark.parametrize("text", ["", "/a", "@lab", "cups@", "cups@/a", "cups:", "Cups", "cups@chunks", "cups/../a"])
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(DreamlakeError) as refused:
        readings(text, namespace="home")
    assert refused.value.code in (Code.USAGE, Code.INVALID_NAME)


segments = st.text(st.characters(categories=["L", "N"], include_characters=":@ ."), min_size=1, max_size=9).filter(
    lambda text: text == text.strip() and text not in (".", "..")
)


@given(
    st.sampled_from(["cups", "a.b-c"]),
    st.none() | st.lists(segments, min_size=1, max_size=3).map("/".join),
    st.lists(segments, max_size=3),
)
def test_a_place_is_among_the_readings_of_its_description(project: str, episode: str | None, path: list[str]) -> None:
    place = Place("lab", project, episode, f"/{'/'.join(path)}" if path else None)
    if path and episode is None:
        place = place._replace(episode="")
    described = describe(place)
    normal = [describe(one) for one in readings(described, namespace="other")]
    assert len(normal) == 1 + (described.count("/") if episode else 0)
    if described.isascii():
        assert place in readings(described, namespace="other")


@pytest.mark.parametrize("path", ["camera/front.mp4", "/camera/front.mp4", "/camera/front.mp4/"])
def test_a_path_comes_with_or_without_its_first_slash(path: str) -> None:
    assert below(Place("lab", "cups", "run"), path).path == "/camera/front.mp4"
    assert below(Place("lab", "cups", "run", "/day"), path).path == "/day/camera/front.mp4"
    assert below(Place("lab", "cups"), path) == Place("lab", "cups", "", "/camera/front.mp4")


def test_only_a_place_begins_with_an_owner_or_episode() -> None:
    assert all(map(has_owner_or_episode, ["cups:a", "cups@lab", "cups@lab/a", "12:30.mp4"]))
    assert not any(map(has_owner_or_episode, ["cups", "camera/a.mp4", "camera/a:b.mp4", "/12:30.mp4", "/a@b"]))
