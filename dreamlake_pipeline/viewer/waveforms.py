"""The waveform of a sound for a page: of a long one, as many peaks as a page can show.

A sound has 100 peaks a second (media/audio/waveform.py): a day of it, 60 MB of JSON. Neighbouring peaks are taken
together here, as the bytes come: neither this process nor a page ever has all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from ..errors import Code, DreamlakeError

MOST_PEAKS = 2**18  # of a page: 43 minutes in full, and 3 a second of a day
MOST_BYTES = 2**28  # of the JSON that is read: four days of sound

_SHORT = 2**18  # bytes that are passed on as they are
_DATA = b'"data":['
_LONGEST_HEAD = 2**12


def for_page(blocks: Iterable[bytes]) -> bytes:
    """A waveform in the form of BBC audiowaveform 2 with `MOST_PEAKS` peaks at the most, of one in that form.

    Raises STORAGE_FAILED for what has another form.
    """
    pieces = iter(blocks)
    begin = b""
    for piece in pieces:
        begin += piece
        if len(begin) > _SHORT:
            break
    else:
        return begin
    head, rest = _split(begin)
    channels, length = head.get("channels", 1), head["length"]
    together = -(-length // MOST_PEAKS)
    numbers = _peaks(chain([rest], pieces), 2 * channels, together)
    found = np.concatenate(list(numbers))[:MOST_PEAKS]
    head |= {"samples_per_pixel": head["samples_per_pixel"] * together, "length": len(found)}
    data = ",".join(map(str, found.ravel().tolist()))
    return f'{json.dumps(head, separators=(",", ":"))[:-1]},"data":[{data}]}}'.encode()


def _split(begin: bytes) -> tuple[dict[str, Any], bytes]:
    """What is said of the peaks, and the text of the first of them."""
    at = begin.find(_DATA, 0, _LONGEST_HEAD)
    try:
        head: dict[str, Any] = json.loads(begin[: max(at, 0)].rstrip(b", \n") + b"}")
        if min(head["length"], head["samples_per_pixel"], head.get("channels", 1)) < 1:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise _other_form() from None
    return head, begin[at + len(_DATA) :]


def _peaks(texts: Iterable[bytes], row: int, together: int) -> Iterator[np.ndarray]:
    """Peaks, `row` numbers each (the least and the greatest of every channel), of as many that are taken together."""
    rest, numbers = b"", np.empty(0, dtype=np.int16)
    for text in chain(texts, [b""]):
        is_last = not text
        text = rest + text.partition(b"]")[0]
        cut = len(text) if is_last else text.rfind(b",") + 1
        rest, text = text[cut:], text[:cut].rstrip(b", ]}\n")
        try:
            read = np.array(text.split(b","), dtype=np.int16) if text else np.empty(0, dtype=np.int16)
        except (ValueError, OverflowError):
            raise _other_form() from None
        numbers = np.concatenate([numbers, read])
        whole = len(numbers) // row if is_last else len(numbers) // (row * together) * together
        if whole:
            peaks = numbers[: whole * row].reshape(whole, row)
            starts = np.arange(0, whole, together)
            out = np.empty((len(starts), row), dtype=np.int16)
            out[:, 0::2] = np.minimum.reduceat(peaks[:, 0::2], starts)
            out[:, 1::2] = np.maximum.reduceat(peaks[:, 1::2], starts)
            yield out
            numbers = numbers[whole * row :]


def _other_form() -> DreamlakeError:
    return DreamlakeError(
        Code.STORAGE_FAILED, "The waveform has another form than it was written in.", hint="`dreamlake fsck` finds why."
    )
