"""What our processes log: one format, and in it the id of the request that a line belongs to.

A line of text, or a JSON object a line (`DREAMLAKE_LOG_FORMAT=json`), on standard error:

    2026-11-30T04:21:42.120Z INFO BSS: answered | method=GET route=/videos/{id} status=200 ms=3.2 … requestId=5c1f0a9d-7
    {"at": "2026-11-30T04:21:42.120Z", "level": "info", "process": "BSS", "message": "answered", "method": "GET", …}

A request's id comes with it (`X-Request-ID`), or is made when it arrives; it is answered, kept with the records that
the request registered (`Record.requestId`), and named by the runs that process them.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from .settings import Settings
from .visible import make_logs_visible, visible

REQUEST_ID = "X-Request-ID"

# What callers may call their requests: short, and nothing that could be taken for another part of a line.
_IS_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")

_IS_ONE = re.compile(r'[^\s"=|]+')

# Whose lines these are: the modules of this package, and loggers with names of their own (`dreamlake.access`). The
# audit trail (`dreamlake.audit`) has a form of its own.
_LOGGERS = ("dreamlake_pipeline", "dreamlake.access", "dreamlake.files")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

files = logging.getLogger("dreamlake.files")


def request_id() -> str | None:
    """The id of the request that is being answered."""
    return _request_id.get()


@contextmanager
def answering(given: str | None) -> Iterator[str]:
    """While the block lasts, a request is answered; its id, which is `given` unless that is none."""
    id = given if given and _IS_ID.fullmatch(given) else secrets.token_hex(8)
    token = _request_id.set(id)
    try:
        yield id
    finally:
        _request_id.reset(token)


def configure(process: str) -> None:
    """Have this process's lines written to standard error, unless somebody configured their loggers.

    `process` is what it is called in them. Raises DreamlakeError(USAGE) for a setting that can't be used.
    """
    make_logs_visible()
    formatter = _Json(process) if Settings().log_format == "json" else _Text(process)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if not logger.handlers:
            logger.addHandler(StandardError())
        for handler in logger.handlers:
            if isinstance(handler, StandardError):
                handler.setFormatter(formatter)
    for handler in logging.getLogger("uvicorn").handlers:
        handler.setFormatter(formatter)
    # Its lines have the query in them, and so playback tokens.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


class StandardError(logging.Handler):
    """Writes to standard error as it is at that time: a run's is a file."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


class _Formatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a line has beside its message: `extra={"fields": {…}}` of whoever logs, and the request's id."""
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        id = request_id()
        return {**fields, **({"requestId": id} if id and "requestId" not in fields else {})}

    @staticmethod
    def _at(record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _trace(self, record: logging.LogRecord) -> str | None:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text


class _Text(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(
            f"{name}={_as_one(str(value))}" for name, value in self._fields(record).items() if value is not None
        )
        line = f"{self._at(record)} {record.levelname} {self._process}: {record.getMessage()}"
        return "\n".join(filter(None, (f"{line} | {fields}" if fields else line, self._trace(record))))


def _as_one(value: str) -> str:
    """A value that can't be taken for more than one, or for another field: in quotes where it could."""
    return visible(value if _IS_ONE.fullmatch(value) else json.dumps(value, ensure_ascii=False))


class _Json(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self._at(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields(record),
        }
        if trace := self._trace(record):
            line["trace"] = trace
        return json.dumps(line, default=str)
