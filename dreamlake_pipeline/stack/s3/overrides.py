"""The headers that a signed GET asks for in its query (`response-content-type=…`), which nanio does not know.

Amazon S3 API reference, GetObject, "Overriding response header values through the request".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nanio.errors import InvalidArgument
from starlette.types import Message, Send

_PREFIX = "response-"
NAMES = tuple(
    f"{_PREFIX}{header}"
    for header in (
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    )
)
_VALUE = re.compile(r"[ -~]*")


def overridden(send: Send, query: Mapping[str, str]) -> Send:
    """`send`, which puts the asked headers in the place of the stored ones when the answer is a success.

    Raises S3Error for a value that is not printable ASCII: it would end the header.
    """
    asked = {name.removeprefix(_PREFIX).encode(): query[name] for name in NAMES if name in query}
    if not asked:
        return send
    for value in asked.values():
        if not _VALUE.fullmatch(value):
            raise InvalidArgument("Response header overrides are printable ASCII.")

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (200, 206):
            kept = [pair for pair in message["headers"] if pair[0].lower() not in asked]
            message["headers"] = [*kept, *((name, value.encode()) for name, value in asked.items())]
        await send(message)

    return sent
