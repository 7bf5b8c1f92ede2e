"""Small pictures in two shades of blue on a transparent ground: waveforms and plots."""

from __future__ import annotations

import struct
import zlib

import numpy as np

STEPS = 15  # of each shade and of opacity: all that smooth edges need

# Readable on white and on black.
_LIGHT = (96, 165, 250)
_DARK = (37, 99, 235)


def encode(blend: np.ndarray, opacity: np.ndarray) -> bytes:
    """A PNG (ISO/IEC 15948) of indexed colour; both arrays are rows of steps, whole numbers from 0 to STEPS.

    `blend` goes from the light to the dark shade.
    """
    height, width = opacity.shape
    rows = np.zeros((height, 1 + width), dtype=np.uint8)  # each row starts with its filter: none
    np.bitwise_or(blend.astype(np.uint8) << 4, opacity.astype(np.uint8), out=rows[:, 1:])
    shade = np.arange(STEPS + 1)[:, None] / STEPS
    colours = np.rint(_LIGHT + shade * np.subtract(_DARK, _LIGHT)).astype(np.uint8)
    # Rows are runs of a few colours: looking for runs alone is as good as looking for any repetition, and faster.
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", np.repeat(colours, 16, axis=0).tobytes()),
            _chunk(b"tRNS", bytes(range(0, 256, 17)) * 16),
            _chunk(b"IDAT", deflate.compress(rows.tobytes()) + deflate.flush()),
            _chunk(b"IEND", b""),
        )
    )


def steps(share: np.ndarray) -> np.ndarray:
    """Shares from 0 to 1 as steps."""
    return np.rint(share * STEPS).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
