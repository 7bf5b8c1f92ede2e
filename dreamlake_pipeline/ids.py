"""Record ids: 24 lowercase hex digits that sort by the time they were made."""

from __future__ import annotations

import re
import secrets
import threading
import time
from datetime import UTC, datetime

ID_PATTERN = r"^[0-9a-f]{24}$"
_ID = re.compile(r"[0-9a-f]{24}")

# Ids of tokens, which other programs may have made (`jti`: RFC 7519, 4.1.7).
TOKEN_ID_PATTERN = r"^[A-Za-z0-9._:-]{1,128}$"  # noqa: S105 - a form, and no secret


_lock = threading.Lock()
_last_second = 0
_last_tail = 0


def new_id() -> str:
    """4 bytes of Unix seconds, then 8 random bytes.

    Within one second, each id of a process is a random step above its last one: the ids of a process sort in the
    order in which they were made (as monotonic ULIDs do), also when its clock is set back.
    """
    global _last_second, _last_tail
    with _lock:
        second = int(time.time())
        if second > _last_second:
            # Half of the range is left for the steps of this second.
            _last_second, _last_tail = second, secrets.randbits(63)
        else:
            _last_tail += 1 + secrets.randbits(40)
        return (_last_second << 64 | _last_tail).to_bytes(12, "big").hex()


def made_at(record_id: str) -> datetime:
    """When an id was made, to the second."""
    return datetime.fromtimestamp(int(record_id[:8], 16), UTC)


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None
