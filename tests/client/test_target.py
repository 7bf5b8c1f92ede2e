from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.client.target import Target, parse_target
from dreamlake_pipeline.errors import DreamlakeError

slugs = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True).filter(lambda s: s not in ("chunks", "catalog"))
episodes = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="\x00"), min_size=1, max_size=40)


@given(project=slugs, namespace=slugs, episode=st.none() | episodes)
def test_what_a_target_prints_is_read_back(project: str, namespace: str, episode: str | None) -> None:
    first = parse_target(f"{project}@{namespace}" + (f":{episode}" if episode else ""), namespace="other")
    assert parse_target(str(first), namespace="another") == first
    assert (first.project, first.namespace) == (project, namespace)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("robot", Target("robot", "home")),
        ("robot@lab", Target("robot", "lab")),
        ("robot:run-001", Target("robot", "home", "run-001")),
        ("robot@lab:day 1/a:b@c", Target("robot", "lab", "day 1/a:b@c")),
    ],
)
def test_parts_are_optional_and_an_episode_may_hold_the_separators(text: str, target: Target) -> None:
    assert parse_target(text, namespace="home") == target


@pytest.mark.parametrize("text", ["", "@lab", "robot@", "robot:", "Robot", "robot@chunks", "robot: x", "a/b"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(DreamlakeError):
        parse_target(text, namespace="home")


def test_a_folder_becomes_an_episode_below_the_targets_own() -> None:
    assert Target("robot", "lab").below("run-001").episode == "run-001"
    assert Target("robot", "lab", "day1").below("run-001").episode == "day1/run-001"


def test_a_wrong_form_gets_the_right_one() -> None:
    for text, hint in (
        ("cups/run-001", "cups:run-001"),
        ("Cups & co:run", "cups-co"),
        ("cups@lab/a:b", "cups@lab:a:b"),
    ):
        with pytest.raises(DreamlakeError) as refused:
            parse_target(text, namespace="home")
        assert hint in (refused.value.hint or "")
