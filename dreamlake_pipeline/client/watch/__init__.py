"""A folder that is watched: what is settled in it is stored, for as long as somebody wants it."""

from .watch import DEFAULT_SETTLE, Watch

__all__ = ["DEFAULT_SETTLE", "Watch"]
