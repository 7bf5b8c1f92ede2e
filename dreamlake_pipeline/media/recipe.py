"""Recipes: what decides, together with a file's bytes, what comes out. Equal bytes and recipe give equal chunks.

A recipe's id is known before a file is read, so that results can be looked up by content hash and recipe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from ..kinds import Kind
from ..playback import PlaybackMode
from .audio import codec as audio_codec
from .hls import segments
from .run import ffmpeg
from .run.build import build
from .video import make as video

# Raised by one whenever the code of a kind makes something else of the same bytes.
VERSIONS: dict[Kind, int] = {Kind.VIDEO: 10, Kind.AUDIO: 5, Kind.TEXT_TRACK: 5, Kind.LABEL_TRACK: 8}

MODERN_VERSION = 2  # the same of copies for browsers of today, which others than those who ask for them do not have


def recipe_of(
    kind: Kind,
    ladder: tuple[int, ...] = (),
    csv_options: Mapping[str, str] | None = None,
    playback: PlaybackMode = PlaybackMode.EVERYWHERE,
) -> str:
    """The id of the recipe for a kind: `{kind}-{version}-{16 hex digits}` over everything that goes into it.

    `ladder` are the heights of further, smaller pictures of a video, `csv_options` say how a CSV file is written,
    `playback` for which browsers a video is made.
    """
    return _recipe_of(kind, tuple(sorted(set(ladder))), tuple(sorted((csv_options or {}).items())), playback)


@cache
def _recipe_of(
    kind: Kind, ladder: tuple[int, ...], csv_options: tuple[tuple[str, str], ...], playback: PlaybackMode
) -> str:
    ingredients = {"kind": str(kind), "version": VERSIONS[kind]} | _ingredients(kind)
    if ladder and kind is Kind.VIDEO:
        ingredients["ladder"] = list(ladder)
    if playback is not PlaybackMode.EVERYWHERE and kind is Kind.VIDEO:
        ingredients["playback"] = [str(playback), MODERN_VERSION]
    if csv_options and kind is Kind.LABEL_TRACK:
        ingredients["csv"] = dict(csv_options)
    canonical = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return f"{kind}-{VERSIONS[kind]}-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


def _ingredients(kind: Kind) -> dict[str, Any]:
    if kind in (Kind.TEXT_TRACK, Kind.LABEL_TRACK):
        return {"parquet": version("pyarrow")}
    made = {
        "ffmpeg": build().version,
        "probe": version("av"),
        "segmentSeconds": segments.SECONDS,
        "audio": audio_codec.SETTINGS,
    }
    if kind is Kind.VIDEO:
        # A video that holds sound only is made as audio is.
        made |= {"video": video.SETTINGS, "threads": ffmpeg.THREADS, "soundVersion": VERSIONS[Kind.AUDIO]}
    return made
