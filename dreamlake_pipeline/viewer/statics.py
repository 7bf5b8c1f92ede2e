"""Scripts, styles and pictures of the viewer, and the libraries that `make setup` puts beside them.

Their addresses have the hash of all of them in the path, `/static/~HASH/js/episode.js`, so that browsers keep them for
ever, and modules that import each other by relative paths are of one version.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import posixpath
import re
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from ..errors import Code, DreamlakeError

FOLDER = Path(__file__).parent / "static"

# What `make setup` fetches (package.json), by the library that it is of.
VENDOR = {
    "hls.js": ("hls.mjs", "hls.light.mjs", "hls.LICENSE"),
    "uPlot": ("uplot.mjs", "uplot.css", "uplot.LICENSE"),
}

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_SERVED = frozenset({*_TYPES, ".LICENSE"})
_TEXT = frozenset({"text/javascript", "text/css", "image/svg+xml"})


# What our own scripts and styles have for their readers: comments on lines of their own or behind code, types within a
# line, indentation, empty lines. It is a third of what would be sent.
_FOR_READERS = re.compile(
    rb"^\s*(?:/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*\n|/\*\* ?@(?:[^*]|\*(?!/))*\*/ ?|[ \t]+// [^\n\"'`]*$|^\s+",
    re.MULTILINE,
)


_IMPORTS = re.compile(r"""^(?:import|export)\b[^"';]*["'](\.\.?/[^"']+)["'];""", re.MULTILINE)


class _File:
    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        if path.parent.name != "vendor" and path.suffix in (".js", ".css"):
            self.content = _FOR_READERS.sub(b"", self.content)
        packed = path.with_name(f"{path.name}.gz")
        self._packed = packed.read_bytes() if packed.exists() else None
        self.media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
        self.etag = f'"{hashlib.sha256(self.content).hexdigest()[:24]}"'

    @cached_property
    def gzipped(self) -> bytes | None:
        return self._packed or (gzip.compress(self.content, mtime=0) if self.media_type in _TEXT else None)


class Statics:
    """The files as they were when the process started; they have a few hundred kilobytes."""

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _SERVED)
        self._files = {path.relative_to(folder).as_posix(): _File(path) for path in paths}
        digest = hashlib.sha256()
        for name, file in self._files.items():
            digest.update(f"{name} {file.etag}\n".encode())
        self.version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file for this version of all of them. Raises KeyError for one that is not there."""
        self._files[name]
        return f"/static/~{self.version}/{name}"

    def modules(self, name: str) -> list[str]:
        """The addresses of the scripts that a module imports at once, and those that they import. Raises KeyError."""
        found, rest = [name], [name]
        while rest:
            one = rest.pop()
            imported = _IMPORTS.findall(self._files[one].content.decode()) if not one.startswith("vendor/") else []
            new = [posixpath.normpath(posixpath.join(posixpath.dirname(one), path)) for path in imported]
            rest += [path for path in new if path not in found]
            found += [path for path in dict.fromkeys(new) if path not in found]
        return [self.url(path) for path in found[1:]]

    def missing_libraries(self) -> list[str]:
        """The libraries that `make setup` has not put there."""
        return [
            library for library, names in VENDOR.items() if any(f"vendor/{name}" not in self._files for name in names)
        ]

    def answer(self, request: Request, name: str) -> Response:
        """A file, with or without a version in front of its name. Raises NOT_FOUND."""
        version, slash, rest = name.partition("/")
        is_versioned = bool(slash) and version == f"~{self.version}"
        if version.startswith("~"):
            name = rest
        file = self._files.get(name)
        if file is None:
            raise DreamlakeError(Code.NOT_FOUND, "The viewer has no such file.")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if is_versioned else "no-cache",
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        content = file.content
        if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content = file.gzipped
            headers["Content-Encoding"] = "gzip"
        return Response(content, media_type=file.media_type, headers=headers)
