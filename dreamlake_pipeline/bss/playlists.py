"""HLS playlists on their way out: the URIs of a stored playlist replaced, everything else as it was stored."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

CONTENT_TYPE = "application/vnd.apple.mpegurl"

# RFC 8216 4.1: a line is blank, a URI, or starts with '#'; tags name URIs in a quoted attribute (4.2), which holds no
# quote and no line break.
_URI_ATTRIBUTE = re.compile(r'((?:^#EXT-X-[A-Z-]+:|,)URI=")([^"]*)(")')
_EXTINF = re.compile(r"^#EXTINF:([0-9.]+),", re.MULTILINE)


def replace_uris(playlist: str, replace: Callable[[str], str]) -> str:
    """The playlist with every URI passed through `replace`: segment and variant lines, and URI attributes of tags."""
    return "\n".join(_line(line, replace) for line in playlist.split("\n"))


def _line(line: str, replace: Callable[[str], str]) -> str:
    if line.startswith("#EXT"):
        return _URI_ATTRIBUTE.sub(lambda found: found[1] + replace(found[2]) + found[3], line)
    uri = line.rstrip("\r")
    if not uri or uri.startswith("#"):
        return line
    return replace(uri) + line[len(uri) :]


def durations(playlist: str) -> list[Fraction]:
    """The seconds of each segment of a media playlist, exactly as it says."""
    return [Fraction(seconds) for seconds in _EXTINF.findall(playlist)]


def tag(name: str, **attributes: str | None) -> str:
    """A tag with an attribute list (RFC 8216 4.2); attributes that are None are left out."""
    given = (f"{key.replace('_', '-')}={value}" for key, value in attributes.items() if value is not None)
    return f"#{name}:{','.join(given)}"
