"""Pages: templates, and what all of them can say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from .. import viewerpaths
from ..visible import visible
from . import advice, units, urls
from .session import Session, Sessions
from .statics import Statics

_FOLDER = Path(__file__).parent / "templates"


class Pages:
    """Renders the templates. `headers` go with every page, also with one that answers a fault of this program."""

    def __init__(self, statics: Statics, sessions: Sessions, headers: Mapping[str, str]) -> None:
        self._sessions = sessions
        self._headers = dict(headers)
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "static": statics.url,
            "modules": statics.modules,
            "project_path": viewerpaths.project_path,
            "episode_path": viewerpaths.episode_path,
            "file_path": viewerpaths.file_path,
            "data_path": urls.data_path,
            "missing_libraries": statics.missing_libraries(),
        }
        self._environment.filters |= {
            "visible": visible,
            "said": _said,
            "bytes": units.size,
            "clock": units.clock,
            "hours": units.hours,
            "count": units.count,
            "since": units.since,
            "next": advice.what_next,
            "meaning": lambda error: advice.meaning_of(error.code),
            "named": lambda fields: {name: value for name, value in fields.items() if value is not None},
            "moment": units.moment,
            "figure": units.figure,
        }

    def render(
        self, request: Request, template: str, *, session: Session | None, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page for who has this session. Nothing keeps it: the next one who sits here may be another."""
        html = self._environment.get_template(template).render(
            session=session,
            form_token=self._sessions.form_token(session) if session else "",
            here=urls.local_path(urls.asked_url(request)),
            **values,
        )
        return HTMLResponse(html, status, self._headers | {"Cache-Control": "no-store"})


def _said(text: str) -> Markup:
    """A sentence of the services as markup: what stands between backticks is code, and no more of it is markup."""
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:  # one of them is no sign of code
        return escape(visible(text))
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))
