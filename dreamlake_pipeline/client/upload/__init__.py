"""Many files from disk to registered: look, read and hash, plan in bulk, send, finish in bulk, index in bulk."""

from .uploader import DEFAULT_JOBS, Uploader

__all__ = ["DEFAULT_JOBS", "Uploader"]
