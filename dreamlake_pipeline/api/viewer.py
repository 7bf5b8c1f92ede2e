"""The viewer, as `dreamlake open` sees it."""

from __future__ import annotations

from pydantic import Field

from .common import Model


class LinkRequest(Model):
    """A link to one of the viewer's pages is asked for, which logs in whose bearer token comes with the request."""

    next: str = Field("/", max_length=8192, description="The path of the page; of what is none, the first page's.")


class LoginLink(Model):
    """A link that logs in once, within ten minutes."""

    url: str
