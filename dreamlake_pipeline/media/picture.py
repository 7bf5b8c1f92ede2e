"""Small pictures in two shades of blue on a transparent ground: waveforms and plots."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import numpy as np

STEPS = 15  # of each shade and of opacity: all that smooth edges need
OPACITY, BLEND = 1, 16  # one step of each, in a pixel

# Readable on white and on black.
_LIGHT = (96, 165, 250)
_DARK = (37, 99, 235)


class Areas:
    """A picture of areas that reach from one height to another in each column; what they give to a pixel adds up.

    Rows are kept as differences from the row above: an area is a few numbers in each column, however high it is.
    """

    def __init__(self, width: int, height: int) -> None:
        self._height = height
        self._differences = np.zeros((height + 2, width), dtype=np.uint8)  # an edge at the very bottom ends below it
        self._columns = np.arange(width)

    def add(self, top: np.ndarray, bottom: np.ndarray, step: int | np.ndarray) -> None:
        """An area between `top` and `bottom`, pixels from the upper border, in each column; a pixel that is wholly
        covered gets STEPS times `step` (OPACITY, BLEND, or zero where there is none), others their share."""
        for edge, sign in ((top, step), (bottom, -step)):
            row, rest = np.divmod(np.rint(edge * STEPS).astype(np.int32), STEPS)
            # Modulo 256, which the sum of all is below.
            self._differences[row, self._columns] += ((STEPS - rest) * sign).astype(np.uint8)
            self._differences[row + 1, self._columns] += (rest * sign).astype(np.uint8)

    def encode(self) -> bytes:
        """A PNG."""
        rows = self._differences[: self._height].copy()
        for above, row in pairwise(rows):
            row += above
        return _encode(rows)


def encode(blend: np.ndarray, opacity: np.ndarray) -> bytes:
    """A PNG; both arrays are rows of steps, whole numbers from 0 to STEPS.

    `blend` goes from the light to the dark shade.
    """
    return _encode(blend.astype(np.uint8) * BLEND + opacity.astype(np.uint8))


def _encode(pixels: np.ndarray) -> bytes:
    """A PNG (ISO/IEC 15948) of indexed colour."""
    height, width = pixels.shape
    rows = np.zeros((height, 1 + width), dtype=np.uint8)  # each row starts with its filter: none
    rows[:, 1:] = pixels
    # Rows are runs of a few values: looking for runs alone is as good as looking for any repetition, and faster.
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _COLOURS,
            _chunk(b"IDAT", deflate.compress(rows.data) + deflate.flush()),
            _chunk(b"IEND", b""),
        )
    )


def steps(share: np.ndarray) -> np.ndarray:
    """Shares from 0 to 1 as steps."""
    return np.rint(share * STEPS).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _palette() -> bytes:
    shade = np.arange(STEPS + 1)[:, None] / STEPS
    colours = np.rint(_LIGHT + shade * np.subtract(_DARK, _LIGHT)).astype(np.uint8)
    return _chunk(b"PLTE", np.repeat(colours, 16, axis=0).tobytes()) + _chunk(b"tRNS", bytes(range(0, 256, 17)) * 16)


_COLOURS = _palette()
