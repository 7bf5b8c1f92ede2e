"""A playlist that plays from wherever it lies: with absolute URLs, which need no token."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from ...kinds import Kind
from ...remote.bss import BssClient
from ...remote.patience import Patience
from ..transfer import STORE, Transfer

_URI = re.compile(r'\bURI="([^"]*)"')  # of a tag's attribute (RFC 8216, 4.2)


def playlist(bss: BssClient, transfer: Transfer, patience: Patience, kind: Kind, record_id: str) -> bytes:
    """The master playlist of a video or audio file. Its URLs end with the token that asks for it, at the latest.

    Raises NOT_READY, NOT_FOUND.
    """
    url = bss.playback(kind, record_id).url
    text = patience.call(STORE, lambda: b"".join(transfer.get(url))).decode()
    return absolute(text, url).encode()


def absolute(text: str, base: str) -> str:
    """The playlist with its URIs resolved against the URL that it came from."""
    lines = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            line = urljoin(base, line)
        lines.append(_URI.sub(lambda found: f'URI="{urljoin(base, found[1])}"', line) if line.startswith("#") else line)
    return "\n".join(lines) + "\n"
