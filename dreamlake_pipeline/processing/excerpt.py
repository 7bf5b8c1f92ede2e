"""What was logged of a file that failed: a few lines, for whoever may read the file, with no secret in them.

They are those of ffmpeg that complain, or the traceback of a fault that nobody expected. They go with the reason that
the file failed for to BSS, so that who looks at the file needs no access to the logs of runs.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from ..api.bounded import shortened
from ..api.pipeline import MOST_LOG_CHARS, MOST_LOG_LINES
from ..errors import DreamlakeError
from ..visible import visible

_GONE = "…"
_LEAST_SECRET = 6  # characters: what is shorter is found in lines that have nothing to do with it

# A URL's user, password, query and fragment (RFC 3986, 3): signatures and tokens are in these.
_URL = re.compile(r"""\b([a-z][a-z0-9+.-]*://)(?:[^\s/@'"]*@)?([^\s?#'"<>]*)([?#][^\s'"<>]*)?""", re.IGNORECASE)
_NAMED = re.compile(
    r"""\b([\w-]*(?:token|secret|password|passwd|signature|credentials?|api[_-]?key|authorization)["']?\s*[:=]\s*)"""
    r"""(?:(?:bearer|basic)\s+)?["']?[^\s"',;&]+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)  # RFC 6750, 2.1; RFC 7617, 2
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")  # RFC 7519, 3.1: a header begins with `{"`

_IS_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|_KEY", re.IGNORECASE)  # in the name of a variable


def excerpt_of(fault: Exception) -> list[str]:
    """What there is to be seen of the fault that a file's processing ended with, at most `MOST_LOG_LINES` lines."""
    if isinstance(fault, DreamlakeError):
        said = fault.details.get("log")
        lines = [str(line) for line in said] if isinstance(said, list | tuple) else []
    else:
        lines = "".join(traceback.format_exception(fault)).splitlines()
    secrets = list(_secrets())
    return [shortened(visible(without_secrets(line, secrets)), MOST_LOG_CHARS) for line in lines[-MOST_LOG_LINES:]]


def without_secrets(line: str, secrets: list[str]) -> str:
    """The line without these secrets, and without whatever looks like one."""
    for secret in secrets:
        line = line.replace(secret, _GONE)
    line = _URL.sub(lambda url: f"{url[1]}{url[2]}{f'?{_GONE}' if url[3] else ''}", line)
    line = _BEARER.sub(rf"\1 {_GONE}", line)
    line = _NAMED.sub(rf"\1{_GONE}", line)
    return _JWT.sub(_GONE, line)


def _secrets() -> Iterator[str]:
    """Those that this process was given in its environment, each of a list, and passwords of URLs."""
    for name, value in os.environ.items():
        if "://" in value:
            yield from _long_enough(unquote(urlsplit(value).password or ""))
        elif _IS_SECRET.search(name):
            yield from _long_enough(value, *re.findall(r"[^\s,\"'\[\]]+", value))


def _long_enough(*secrets: str) -> Iterator[str]:
    return (secret for secret in secrets if len(secret) >= _LEAST_SECRET)
