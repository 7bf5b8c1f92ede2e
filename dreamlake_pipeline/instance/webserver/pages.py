"""The pages of the guard itself: plain HTML, no script, nothing loaded."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.5rem;color:#1b1b1f}"
    "code{background:#eee;border-radius:4px;padding:.1em .35em}"
    "@media(prefers-color-scheme:dark){body{background:#16161a;color:#ddd}code{background:#2a2a30}}"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


def log_in(status: int) -> HTMLResponse:
    """How a person gets in: what is shown without a session, and after a link that is not valid any more."""
    first = "This link does not log in here, or not any more." if status == 403 else "You are not logged in."
    return _page(
        "Log in to Dagster",
        f"<p>{first}</p>"
        "<p>On the machine where it runs, <code>dreamlake status</code> prints the link that logs in. "
        "Open that link in this browser once.</p>"
        "<p>Where somebody runs this webserver for you, ask them for the link: it is this address with "
        "<code>/login?secret=…</code> behind it.</p>",
        status,
    )


def here_anew(target: str) -> HTMLResponse:
    """A page that opens `target`, a path of this server, as a page of this server.

    A browser that follows a link from another site sends no SameSite=Strict cookie, however often it has logged in.
    """
    # Two slashes or backslashes in front would be another server's address.
    here = escape("/" + target.lstrip("/\\"), quote=True)
    return _page(
        "Dagster", f'<meta http-equiv="refresh" content="0;url={here}"><p><a href="{here}">Open Dagster</a></p>', 200
    )


def _page(title: str, body: str, status: int) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><h1>{title}</h1>{body}</html>',
        status,
        _HEADERS,
    )
