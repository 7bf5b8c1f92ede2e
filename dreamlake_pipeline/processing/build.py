"""What this installation makes results with. Machines with different ones make different results of the same bytes."""

from __future__ import annotations

from functools import cache

from .. import __version__
from ..api.pipeline import Build
from ..kinds import Kind
from ..media.recipe import recipe_of
from ..media.run import build as ffmpeg


@cache
def own_build() -> Build:
    """Version, ffmpeg and the recipe of each kind. The first call asks ffmpeg, which takes some tenths of a second.

    Raises DreamlakeError(STACK_FAILED) when ffmpeg can't be run, or has known holes.
    """
    recipes = {kind: recipe_of(kind) for kind in Kind}
    return Build(version=__version__, ffmpeg=ffmpeg.build().version, recipes=recipes)


def differences(here: Build, there: Build) -> list[str]:
    """In what two builds differ, as clauses about `here`; none when they make the same results."""
    found = []
    if here.version != there.version:
        found.append(f"dreamlake-pipeline is {here.version} here, and {there.version} there")
    if here.ffmpeg != there.ffmpeg:
        found.append(f"ffmpeg is {_short(here.ffmpeg)!r} here, and {_short(there.ffmpeg)!r} there")
    others = [str(kind) for kind in there.recipes if here.recipes.get(kind) != there.recipes[kind]]
    if others and not found:
        found.append(f"libraries that make {', '.join(others)} are of other versions here than there")
    return found


def _short(version: str) -> str:
    return version.removeprefix("ffmpeg version ").partition(" Copyright")[0]
