"""JSON as Postgres takes it."""

from __future__ import annotations

import json
from typing import Any

from ..api.common import storable


def to_jsonb(value: Any) -> str:
    """JSON text for a jsonb parameter, without what jsonb cannot hold (see `storable`)."""
    return json.dumps(storable(value), ensure_ascii=False, allow_nan=False)
