"""Record ids: 24 lowercase hex digits that sort by the time they were made."""

from __future__ import annotations

import re
import secrets
import time

ID_PATTERN = r"^[0-9a-f]{24}$"
_ID = re.compile(r"[0-9a-f]{24}")


def new_id() -> str:
    """4 bytes of Unix seconds, then 8 random bytes."""
    return int(time.time()).to_bytes(4, "big").hex() + secrets.token_hex(8)


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None
