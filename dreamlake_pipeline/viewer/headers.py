"""What every answer of the viewer says to browsers, and which requests of pages of other origins are refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Code, DreamlakeError
from ..origin import is_foreign, is_navigation


def security_headers(bss_url: str) -> dict[str, str]:
    """The headers. Browsers load scripts and styles of the viewer alone, and streams of BSS, which is at `bss_url`."""
    bss = urlsplit(bss_url)
    origin = f"{bss.scheme}://{bss.netloc}"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "worker-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {origin}",
        "media-src": f"'self' blob: {origin}",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


class Guard:
    """ASGI middleware: puts `headers` on every answer, and refuses what a page of another origin asks for.

    Such a page may lead here by a link and does nothing else: it sends no form, and embeds neither data nor pictures.
    `host` is the viewer's public name, for a proxy that does not pass on the `Host` that a browser sent.
    """

    def __init__(self, app: ASGIApp, headers: dict[str, str], host: str | None) -> None:
        self.app = app
        self._headers = headers
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if self._is_refused(scope["method"], Headers(scope=scope)):
            error = DreamlakeError(Code.FORBIDDEN, "A page of another origin may not ask the viewer.")
            await JSONResponse({"error": error.as_dict()}, error.spec.status)(scope, receive, mark)
            return
        await self.app(scope, receive, mark)

    def _is_refused(self, method: str, headers: Headers) -> bool:
        if method in ("GET", "HEAD") and is_navigation(headers):
            return False
        hosts = {headers.get("host", "").lower(), self._host}
        return all(is_foreign(headers, host) for host in hosts if host is not None)
