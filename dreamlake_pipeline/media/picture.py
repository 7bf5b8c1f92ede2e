"""Small pictures in two shades of blue on a transparent ground: waveforms and plots."""

from __future__ import annotations

import struct
import zlib

import numpy as np

# Readable on white and on black.
_LIGHT = (96, 165, 250)
_DARK = (37, 99, 235)


def encode(blend: np.ndarray, opacity: np.ndarray) -> bytes:
    """A PNG (ISO/IEC 15948) of indexed colour; both arrays are rows of shares from 0 to 1.

    `blend` goes from the light to the dark shade. Sixteen steps of each are all that smooth edges need.
    """
    levels = _steps(blend) << 4 | _steps(opacity)
    height, width = levels.shape
    rows = np.zeros((height, 1 + width), dtype=np.uint8)  # each row starts with its filter: none
    rows[:, 1:] = levels
    shade = np.arange(16)[:, None] / 15
    colours = np.rint(_LIGHT + shade * np.subtract(_DARK, _LIGHT)).astype(np.uint8)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", np.repeat(colours, 16, axis=0).tobytes()),
            _chunk(b"tRNS", bytes(range(0, 256, 17)) * 16),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)),
            _chunk(b"IEND", b""),
        )
    )


def _steps(share: np.ndarray) -> np.ndarray:
    return (share * 15 + 0.5).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
