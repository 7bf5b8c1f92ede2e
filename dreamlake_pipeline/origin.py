"""Whether a request comes from a page of another origin.

Browsers say so: by `Origin` in whatever may change something and in every WebSocket handshake (RFC 6454, RFC 6455
10.2), by `Sec-Fetch-Site` in everything (Fetch Metadata Request Headers). Another port of this machine is another
origin, but the same site, to which cookies go. Programs send neither header.
"""

from __future__ import annotations

from starlette.datastructures import Headers


def is_foreign(headers: Headers, host: str) -> bool:
    """Whether the request was made by a page that `host`, the request's own Host, did not serve."""
    if any(origin.lower() not in (f"http://{host}", f"https://{host}") for origin in headers.getlist("origin")):
        return True
    return any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site"))


def is_navigation(headers: Headers) -> bool:
    """Whether a person follows a link in a window of their own: no frame, no picture, no script asks for this."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
