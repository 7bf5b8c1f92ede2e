"""What files wait for that were put off by a fault of the machinery, in a few words."""

from __future__ import annotations

_WAITED_FOR = {
    "storage_failed": "the object store",
    "storage_full": "room on a disk",
    "unreachable": "a service that is away",
    "overloaded": "a service that is overloaded",
    "stack_failed": "a worker process",
    "machine_failed": "a machine that is not well",
}


def waited_for(code: str) -> str:
    """What a file waits for, by the code of the reason (`Record.waiting`)."""
    return _WAITED_FOR.get(code, f"another try ({code})")
