"""Memory through which bytes pass, used again and again: fresh memory costs the kernel as much as their copies do."""

from __future__ import annotations

import threading

BLOCK = 256 << 10  # bytes; stays in the cache of a core between the network, the hash and the file


class OwnBlock(threading.local):
    """A block for each thread."""

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(BLOCK))
