from __future__ import annotations

import pytest

from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media import recipe
from dreamlake_pipeline.media.video import make as video


def test_every_kind_has_a_recipe_of_its_own() -> None:
    ids = {recipe.recipe_of(kind) for kind in Kind}
    assert len(ids) == len(Kind)
    assert all(recipe.recipe_of(kind).startswith(f"{kind}-{recipe.VERSIONS[kind]}-") for kind in Kind)


def test_a_recipe_changes_with_what_goes_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe.recipe_of(Kind.VIDEO), recipe.recipe_of(Kind.AUDIO)
    monkeypatch.setitem(video.SETTINGS, "crf", 30)
    recipe._recipe_of.cache_clear()
    try:
        assert recipe.recipe_of(Kind.VIDEO) != before[0]
        assert recipe.recipe_of(Kind.AUDIO) == before[1]
    finally:
        recipe._recipe_of.cache_clear()


def test_a_ladder_is_part_of_the_recipe_of_videos_only() -> None:
    assert recipe.recipe_of(Kind.VIDEO, (720, 480)) == recipe.recipe_of(Kind.VIDEO, (480, 720))
    assert recipe.recipe_of(Kind.VIDEO, (720,)) != recipe.recipe_of(Kind.VIDEO)
    assert recipe.recipe_of(Kind.AUDIO, (720,)) == recipe.recipe_of(Kind.AUDIO)


def test_what_is_told_of_a_csv_is_part_of_the_recipe_of_label_tracks_only() -> None:
    told = {"delimiter": ";", "decimal": ","}
    assert recipe.recipe_of(Kind.LABEL_TRACK, (), told) == recipe.recipe_of(
        Kind.LABEL_TRACK, (720,), dict(reversed(told.items()))
    )
    assert recipe.recipe_of(Kind.LABEL_TRACK, (), told) != recipe.recipe_of(Kind.LABEL_TRACK, (), {})
    assert recipe.recipe_of(Kind.LABEL_TRACK, (), {}) == recipe.recipe_of(Kind.LABEL_TRACK)
    assert recipe.recipe_of(Kind.TEXT_TRACK, (), told) == recipe.recipe_of(Kind.TEXT_TRACK)
