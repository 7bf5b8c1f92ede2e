"""The rules for owners, projects, episodes, names and hashes.

Every function takes what a caller gave and returns its canonical form, or raises
`DreamlakeError(INVALID_NAME)` that says which rule it breaks.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from .errors import Code, DreamlakeError

SLUG_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
HASH_PATTERN = r"^[0-9a-f]{16,64}$"
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_HASH = re.compile(r"[0-9a-f]{16,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc

MAX_NAME_BYTES = 1024
MAX_EPISODE_CHARS = 255

# What stands in a token in the place of namespaces, where it reaches all of them.
EVERY_NAMESPACE = "*"

# Top-level folders of the bucket that are not owners (see layout.py).
RESERVED_OWNERS = frozenset({"chunks", "catalog"})


class SplitName(NamedTuple):
    """An absolute name, taken apart: `/camera/front/run01.mp4` is (`/camera/front`, `run01.mp4`)."""

    folder: str
    filename: str


def _invalid(message: str, hint: str | None = None) -> DreamlakeError:
    return DreamlakeError(Code.INVALID_NAME, message, hint=hint)


@lru_cache
def check_owner(owner: str) -> str:
    """A namespace: `[a-z0-9][a-z0-9._-]{0,62}`, and not a folder that the bucket needs for itself."""
    if owner in RESERVED_OWNERS:
        raise _invalid(f"namespace {owner!r} is reserved; choose another one.")
    return _check_slug("namespace", owner)


@lru_cache
def check_project(project: str) -> str:
    """A project: `[a-z0-9][a-z0-9._-]{0,62}`."""
    return _check_slug("project", project)


def _check_slug(what: str, text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise _invalid(
            f"{what} {text!r} must be 1 to 63 of a-z, 0-9, '.', '_' and '-', and start with a letter or digit.",
            f"Such as {slug!r}." if is_slug(slug := _slug_of(text)) else None,
        )
    return text


def check_episode(episode: str) -> str:
    """An episode: 1 to 255 characters after NFC, `/` allowed, no control characters."""
    text = _to_nfc(episode, "episode")
    if not text or len(text) > MAX_EPISODE_CHARS:
        raise _invalid(f"episode {_shorten(text)!r} must have 1 to {MAX_EPISODE_CHARS} characters.")
    if text != text.strip():
        raise _invalid(f"episode {_shorten(text)!r} must not start or end with white space.")
    return text


def check_name(name: str) -> str:
    """An absolute path in NFC: starts with `/`, no empty, `.` or `..` segment, no control characters, 1,024 bytes."""
    text = _to_nfc(name, "name")
    if not text.startswith("/"):
        raise _invalid(f"name {_shorten(text)!r} must be an absolute path such as /camera/run01.mp4.")
    if len(text) > MAX_NAME_BYTES or (not text.isascii() and len(text.encode()) > MAX_NAME_BYTES):
        raise _invalid(f"name {_shorten(text)!r} is longer than {MAX_NAME_BYTES} bytes.")
    closed = f"{text}/"
    if "//" in closed or "/./" in closed or "/../" in closed:
        raise _invalid(f"name {_shorten(text)!r} has an empty, '.' or '..' segment.")
    return text


def check_folder(folder: str) -> str:
    """A folder of the tree: `/`, or a name by the rules of `check_name`; a trailing `/` is dropped."""
    trimmed = folder.rstrip("/")
    return check_name(trimmed) if trimmed else "/"


def folder_of(text: str) -> str:
    """The folder that a person names, with or without its first `/`. Raises INVALID_NAME."""
    return check_folder(text if text.startswith("/") else f"/{text}")


def check_hash(text: str) -> str:
    """A SHA-256 in lowercase hex, or a prefix of it of 16 digits or more."""
    lowered = text.lower()
    if not _HASH.fullmatch(lowered):
        raise _invalid(f"hash {_shorten(text)!r} must be 16 to 64 hexadecimal digits (the file's SHA-256).")
    return lowered


def is_slug(text: str) -> bool:
    """Whether this may be the name of a project, or of an owner that is not reserved."""
    return _SLUG.fullmatch(text) is not None and text not in RESERVED_OWNERS


def is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def split_name(name: str) -> SplitName:
    """Folder and filename of a canonical name; the folder of a top-level file is `/`."""
    folder, _, filename = name.rpartition("/")
    return SplitName(folder or "/", filename)


def join_name(folder: str, relative: str) -> str:
    """The canonical name of `relative` (POSIX, no leading slash) under `folder`."""
    return check_name(f"{check_folder(folder).rstrip('/')}/{relative}")


def _slug_of(text: str) -> str:
    """A text that is like this one and may be a slug, or comes near to it."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).lstrip("._-").rstrip("-")[:63]


def _to_nfc(text: str, what: str) -> str:
    if text.isascii() and text.isprintable():  # most names by far
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _invalid(f"{what} {_shorten(text)!a} is not valid Unicode; rename the file.") from None
    normal = unicodedata.normalize("NFC", text)
    if _CONTROL.search(normal):
        raise _invalid(f"{what} {_shorten(normal)!a} has a control character.")
    return normal


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
