"""What a request asks for, by its address."""

from __future__ import annotations

import re

from starlette.requests import Request

from ..viewerpaths import DATA

# A path of this viewer as it stands in a URL: ASCII, no blank and no backslash, and not two slashes in front, which
# would be another server (URL Standard: browsers take a backslash for a slash, and pass over tabs and line ends).
_IS_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)


def data_path(page: str) -> str:
    """Where the view model of a page is, as JSON."""
    path, mark, query = page.partition("?")
    return ("/projects" if path == "/" else path) + DATA + mark + query


def asked_path(request: Request) -> str:
    """The path of a request as it was sent: nothing in it is decoded."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode("latin-1")


def asked_url(request: Request) -> str:
    """The path and the query of a request as they were sent."""
    query = request.url.query
    return asked_path(request) + (f"?{query}" if query else "")


def is_data(request: Request) -> bool:
    """Whether a page's data are asked for. The end of a name is encoded where it would say so."""
    return asked_path(request).endswith(DATA)


def local_path(text: str | None) -> str:
    """The path of a page of this viewer that somebody asks to be led to; the first page's when it is none."""
    if text is None or not _IS_LOCAL.fullmatch(text) or text.startswith(("/login", "/logout")):
        return "/"
    return text
