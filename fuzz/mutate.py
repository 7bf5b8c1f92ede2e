"""Inputs from seeds: pieces cut, doubled, swapped and mixed with tokens, numbers set to what sizes lie with."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

MOST_BYTES = 1 << 16
_NUMBERS = (0, 1, 7, 8, 9, 15, 16, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_DIGITS = (
    b"9" * 5000,
    b"1e999999999999999999999",
    b"-0",
    b"1e-400",
    b"0x10",
    "\u0661\u00b2".encode(),
    b"nan",
    b"-1",
    b"1_0",
)


class Mutator:
    """Makes inputs of seeds and tokens, the same ones for the same number."""

    def __init__(self, seeds: Sequence[bytes], tokens: Sequence[bytes], number: int) -> None:
        self._random = random.Random(number)
        self._seeds, self._tokens = list(seeds) or [b""], [*tokens, *_DIGITS]

    def make(self) -> bytes:
        data = self._random.choice(self._seeds)
        for _ in range(self._random.choice((1, 1, 2, 3, 5, 8))):
            data = self._step(data)[:MOST_BYTES]
        return data

    def keep(self, data: bytes) -> None:
        """An input that is worth going on from."""
        if len(self._seeds) < 5000:
            self._seeds.append(data)

    def _step(self, data: bytes) -> bytes:
        one = self._random
        at, end = sorted((one.randint(0, len(data)), one.randint(0, len(data))))
        end = min(end, at + one.choice((1, 4, 16, 256, MOST_BYTES)))
        match one.randrange(9):
            case 0:
                return data[:at] + one.choice(self._tokens) * one.choice((1, 1, 2, 20, 300)) + data[at:]
            case 1:
                return data[:at] + data[end:]
            case 2:
                return data[:end] + data[at:end] * one.choice((1, 2, 50)) + data[end:]
            case 3:
                return data[:at] + one.randbytes(one.choice((1, 2, 4, 8))) + data[end:]
            case 4:
                form = one.choice((">I", "<I", ">H", "<H", "B", ">Q"))
                value = one.choice(_NUMBERS) & (256 ** struct.calcsize(form) - 1)
                return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]
            case 5:
                other = one.choice(self._seeds)
                start = one.randint(0, len(other))
                return data[:at] + other[start : start + one.choice((8, 64, MOST_BYTES))] + data[end:]
            case 6:
                return data[:at] + bytes(byte ^ 1 << one.randrange(8) for byte in data[at : at + 4]) + data[at + 4 :]
            case 7:
                return data[:at] + one.choice(self._tokens) + data[end:]
            case _:
                return data[:at]
