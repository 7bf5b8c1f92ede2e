"""What is wrong with a file for everybody to see before it is sent: other content than its name says, a missing end.

It is sent all the same, since what is there may be worth having: the pipeline salvages the good part and says so.
"""

from __future__ import annotations

from ..errors import DreamlakeError
from ..kinds import Kind
from .digest import open_file
from .selection import LocalFile
from .walk import show_path

_TEXTS = (Kind.TEXT_TRACK, Kind.LABEL_TRACK)


def warning(file: LocalFile) -> str | None:
    """A sentence that names the file, or None. Reads the head and the structure of the file, no more."""
    # Not at the top: a run over files that are known already needs none of it.
    from ..media.containers.integrity import missing_part
    from ..media.containers.sniff import sniff_file

    try:
        with open_file(file.path) as descriptor, open(descriptor, "rb", closefd=False) as content:
            found = sniff_file(content)
            if found is None:
                is_clear = file.kind in _TEXTS  # text of any form may still be read
                return None if is_clear else f"{show_path(file.path)} does not look like {_a(file.kind)}."
            if found.kind is not file.kind and not (found.kind in _TEXTS and file.kind in _TEXTS):
                return f"{show_path(file.path)} looks like {found.container}, not like {_a(file.kind)}."
            missing = missing_part(content, found.demuxer) if found.demuxer else None
            return f"{show_path(file.path)} is not whole: {missing}." if missing else None
    except (DreamlakeError, ValueError, EOFError):
        return None  # whoever reads the file for sending says what is wrong with it


def _a(kind: Kind) -> str:
    return {Kind.VIDEO: "a video", Kind.AUDIO: "audio"}.get(kind, f"a {kind}")
