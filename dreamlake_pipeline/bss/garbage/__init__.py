"""Garbage collection: what nobody needs any more is freed, in bounded steps (ARCHITECTURE.md, "Garbage").

Each module frees one kind of thing. What is to be deleted from the bucket is found by one transaction, and looked at
again under a lock by the one that deletes it: object first, row afterwards. A crash between any two of these leaves the
row, and the next collection goes on from it.
"""

from .steps import step

__all__ = ["step"]
