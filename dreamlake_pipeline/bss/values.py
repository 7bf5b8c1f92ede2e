"""JSON as Postgres takes it."""

from __future__ import annotations

from ..api.common import storable_json as to_jsonb

__all__ = ["to_jsonb"]
