"""TLS, as every client of this project speaks it: whom it trusts, and what it means when no connection comes about.

Trusted are the certificate authorities of the file that `SSL_CERT_FILE` names (or the folder `SSL_CERT_DIR`), which are
OpenSSL's own variables, else those of the system. `AWS_CA_BUNDLE`, which AWS's tools read, is trusted besides.
`DREAMLAKE_CA_FILE` is both (`__init__.py`).
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from .errors import Code, DreamlakeError

_PROBE_SECONDS = 2.0

# X509_V_ERR_… of OpenSSL's x509_vfy.h, which Python passes on as `verify_code`.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21, 27)
_WRONG_NAME = (62, 64)

# What OpenSSL says when the other side does not speak TLS (`reason` of ssl.SSLError).
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")
# What nginx, Go's server and Apache say of a request without TLS on a port for TLS.
_NEEDS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|speaking plain HTTP"
)


class Problem(NamedTuple):
    """What is wrong with TLS, as the rest of a sentence about who was asked, and what to do about it."""

    what: str
    hint: str


def context() -> ssl.SSLContext:
    """For a client's connections; certificates and host names are verified. Raises DreamlakeError(USAGE) for an
    AWS_CA_BUNDLE that cannot be read."""
    trusting = ssl.create_default_context()
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        try:
            trusting.load_verify_locations(bundle)
        except OSError as fault:  # as ssl.SSLError is
            reason = fault.strerror or str(fault)
            raise DreamlakeError(Code.USAGE, f"AWS_CA_BUNDLE names {bundle}, which cannot be read: {reason}.") from None
    return trusting


def authorities_file() -> str | None:
    """The file of trusted authorities, for a library that asks for one (boto3, which would take a list of its own)."""
    return os.environ.get("AWS_CA_BUNDLE") or ssl.get_default_verify_paths().cafile


def authorities_variable() -> str:
    """The variable that names that file, or could."""
    return "AWS_CA_BUNDLE" if os.environ.get("AWS_CA_BUNDLE") else "SSL_CERT_FILE"


def explain(fault: BaseException, url: str, *, variable: str = "SSL_CERT_FILE") -> Problem | None:
    """What a failed connection to `url` means, if it failed for a reason of TLS that does not pass by itself.

    `variable` is the one by which whoever connects is told whom to trust."""
    for error in causes(fault):
        if isinstance(error, ssl.SSLCertVerificationError):
            return _certificate_problem(error, url, variable)
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or "").upper()
            if any(sign in reason for sign in _NO_TLS):
                return Problem(
                    "does not speak TLS on this port",
                    f"Its URL is probably http://{urlsplit(url).netloc}, without the s.",
                )
            if "ALERT" in reason or "UNSUPPORTED_PROTOCOL" in reason or "NO_CIPHERS" in reason:
                said = reason.replace("_", " ").lower()
                return Problem(
                    f"does not agree with us on TLS ({said})",
                    "Look at its TLS versions and ciphers, and whether it asks clients for certificates.",
                )
        if urlsplit(url).scheme == "http" and _is_broken_off(error):
            return needs_tls(url) if speaks_tls(url) else None
    return None


def needs_tls(url: str) -> Problem:
    """The problem of an http:// URL whose port takes TLS only."""
    return Problem("speaks TLS on this port", f"Its URL is probably https://{urlsplit(url).netloc}, with an s.")


def is_refusal_of_plain_http(status: int, body: bytes) -> bool:
    """Whether a server says that it was to be asked by TLS."""
    return status == 400 and _NEEDS_TLS.search(body[:4000]) is not None


def speaks_tls(url: str) -> bool:
    """Whether the port of an http:// URL takes part in a handshake of TLS; its certificate does not matter."""
    parts = urlsplit(url)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 80), timeout=_PROBE_SECONDS) as plain,
            asking.wrap_socket(plain),
        ):
            return True
    except (OSError, ValueError):
        return False


def _is_broken_off(error: BaseException) -> bool:
    """Whether an answer did not come, or was none: as a server that expects TLS ends a connection without."""
    is_connection = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
    return is_connection or isinstance(error, BadStatusLine)


def _certificate_problem(error: ssl.SSLCertVerificationError, url: str, variable: str) -> Problem:
    code, said = error.verify_code, str(error.verify_message).rstrip(".")
    if code in _WRONG_NAME:
        host = urlsplit(url).hostname
        return Problem(
            f"has a certificate for another name than {host} ({said})",
            "Use the name that its certificate is for, or give it a certificate for this name.",
        )
    if code == _EXPIRED:
        return Problem(
            "has a certificate that has expired",
            "Renew it on the server; if it is valid, this machine's clock is wrong.",
        )
    if code == _NOT_YET_VALID:
        return Problem("has a certificate that is not valid yet", "Compare the clocks of this machine and the server.")
    if code in _UNKNOWN_ISSUER:
        return Problem(f"has a certificate that is not trusted here ({said})", _trust_hint(variable))
    return Problem(f"has a certificate that is not accepted ({said})", "Look at the server's certificate.")


def _trust_hint(variable: str) -> str:
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        if (named := os.environ.get(name)) and not Path(named).is_file():
            return f"{name} names {named}, which is no file that can be read here."
    return (
        "Name a file (PEM) with the certificate of the authority that issued it, and of all others that are to be "
        f"trusted, in {variable}, or add it to those of the system."
    )


def causes(fault: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it was made from: libraries put them into various places."""
    seen: set[int] = set()
    todo: list[object] = [fault]
    while todo:
        error = todo.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        kept = getattr(error, "kwargs", {})  # of botocore
        todo += [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        todo += [kept.get("error")] if isinstance(kept, dict) else []
