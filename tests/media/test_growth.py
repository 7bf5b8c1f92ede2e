"""What parsers cost grows no faster than the file, whatever its shape: time by its exponent, memory by a bound.

`test_bounded` counts reads of containers; here the whole of a parser is timed over inputs that double. A shape is what
is worst for one parser or another: one long token, many tiny ones, all delimiters, quotes, digits, brackets, NULs or
start codes, tiny boxes, boxes in boxes, sizes that lie, many streams, keys, columns and rows (fuzz/targets.py).
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.targets import BEGINNINGS, CUE, EXPECTED, PARSERS, TOKENS, Parser, labels

MOST_EXPONENT = 1.3
SMALL = 1 << 14  # bytes; the large input is four times as long
FREE_CELLS = 10**7  # of a table of JSON Lines (labels/rows.py)
FEW = 12  # tokens that are repeated behind every beginning; the others behind the first one

SHAPES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "keys that differ": ("jsonl", lambda size: b"".join(b'{"k%d":1}\n' % n for n in range(size // 10))),
    "two of many keys": (
        "jsonl",
        lambda size: b"".join(b'{"k%d":1,"k%d":2}\n' % (n % 5000, n * 7 % 5000) for n in range(size // 18)),
    ),
    "many keys, then few": (
        "jsonl",
        lambda size: b"{%s}\n" % b",".join(b'"k%d":1' % n for n in range(5000)) + b'{"k1":1}\n' * (size // 9),
    ),
    "many keys at once": ("jsonl", lambda size: b"{%s}\n" % b",".join(b'"k%d":1' % n for n in range(size // 10))),
    "long names": ("jsonl", lambda size: b"".join(b'{"%s%d":1}\n' % (b"x" * 1000, n) for n in range(size // 1000))),
    "one long name": ("jsonl", lambda size: b'{"%s":1}\n' % (b"x" * size)),
    "times within objects": (
        "jsonl",
        lambda size: b'{"a":{%s}}\n' % b",".join(b'"time%d":"x"' % n for n in range(size // 12)) * 2,
    ),
    "columns": ("csv", lambda size: b",".join(b"c%d" % n for n in range(size // 7)) + b"\n" + b"1," * (size // 7)),
    "columns of one name": ("csv", lambda size: b"a," * (size // 4) + b"\n" + b"1," * (size // 4)),
    "columns of times": (
        "csv",
        lambda size: b",".join(b"t%d" % n for n in range(800)) + b"\n" + (b"x," * 799 + b"x\n") * (size // 1600),
    ),
    "groups of names": (
        "csv",
        lambda size: b"g," * (size // 6) + b"\n" + b"x,y," * (size // 12) + b"\n" + b"1," * (size // 6),
    ),
    "words in brackets": ("csv", lambda size: b"# (a " * 1 + b"b " * (size // 2) + b"\n1 2 3\n4 5 6\n"),
    "a quote for each row": ("csv", lambda size: b'a,b\n1,"x\n' + b'2,"y\n' * (size // 5)),
    "cues of one time": ("vtt", lambda size: b"WEBVTT\n\n" + (CUE + b"x\n\n") * (size // 34)),
    "joined files": (
        "vtt",
        lambda size: b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n%sx\n\n" % CUE * (size // 90),
    ),
    "telemetry of keys that differ": (
        "srt",
        lambda size: b"".join(b"%d\n%sk%d: 1 v%d: 2 a: 3\n\n" % (n, CUE, n, n) for n in range(1, size // 60)),
    ),
    "telemetry of one key": ("srt", lambda size: (b"1\n" + CUE + b"a:1 " * 500 + b"\n\n") * (size // 2040)),
}


def exponent(parse: Parser, make: Callable[[int], bytes], folder: Path) -> float:
    """By which power of its length the time for an input grows; 0 where it takes next to none."""

    def seconds(data: bytes) -> float:
        started = time.process_time()
        with contextlib.suppress(*EXPECTED):
            parse(data, folder)
        return time.process_time() - started

    found = math.inf
    # Other processes may have had the processor and its caches. What is no linear growth shows at any scale, each time.
    for scale, times in ((1, 1), (4, 1), (16, 3)):
        small, large = make(scale * SMALL), make(4 * scale * SMALL)
        before, after = min(seconds(small) for _ in range(times)), min(seconds(large) for _ in range(times))
        if after < 0.1:
            return 0.0
        found = min(found, math.log(after / max(before, 1e-3), len(large) / len(small)))
        if found < MOST_EXPONENT:
            break
    return found


def repeated(begin: bytes, token: bytes) -> Callable[[int], bytes]:
    return lambda size: begin + (token * (size // len(token) + 1))[: size // len(token) * len(token)]


@pytest.mark.parametrize(("name", "number"), [(name, n) for name in PARSERS for n in range(len(BEGINNINGS[name]))])
def test_time_grows_with_the_file(name: str, number: int, tmp_path: Path) -> None:
    slow = {}
    with contextlib.suppress(*EXPECTED):
        PARSERS[name](b"1,2\n3,4\n", tmp_path)  # imports
    for token in TOKENS[name][: FEW if number else None]:
        found = exponent(PARSERS[name], repeated(BEGINNINGS[name][number], token), tmp_path)
        if found >= MOST_EXPONENT:
            slow[token] = round(found, 2)
    assert not slow


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_with_the_file_of_a_shape(shape: str, tmp_path: Path) -> None:
    name, make = SHAPES[shape]
    with contextlib.suppress(*EXPECTED):
        PARSERS[name](make(100), tmp_path)  # imports
    assert exponent(PARSERS[name], make, tmp_path) < MOST_EXPONENT


@pytest.mark.parametrize("name", PARSERS)
def test_memory_is_bounded_by_the_file(name: str, tmp_path: Path) -> None:
    """Of what Python allocates; what Arrow does is measured by `test_labels`."""
    with contextlib.suppress(*EXPECTED):
        PARSERS[name](b"1,2\n3,4\n", tmp_path)
    large = {}
    shapes = [repeated(begin, token) for begin in BEGINNINGS[name][:2] for token in TOKENS[name][:FEW]]
    for make in [*shapes, *(make for parser, make in SHAPES.values() if parser == name)]:
        data = make(SMALL)
        tracemalloc.start()
        with contextlib.suppress(*EXPECTED):
            PARSERS[name](data, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # 5,000 fields take some kilobytes each, and the cells that a table may have whatever its file, 8 bytes.
        cells = 8 * FREE_CELLS if name == "jsonl" else 0
        if peak > 150 * len(data) + 2**25 + cells:
            large[data[:40]] = peak / len(data)
    assert not large


def test_what_many_keys_write_is_bounded(tmp_path: Path) -> None:
    """20,000 rows of two of 5,000 keys were a table of 100 million cells."""
    rows = b"".join(b'{"k%d":1,"k%d":2}\n' % (n % 5000, n * 7 % 5000) for n in range(20_000))
    made = labels("a.jsonl")(rows, tmp_path)
    assert (tmp_path / "data.parquet").stat().st_size < 4 * len(rows)
    assert made.entries == 20_000  # type: ignore[attr-defined]
    other = next(field for field in made.fields if field.name == "_other")  # type: ignore[attr-defined]
    assert other.nulls < 20_000


def test_parsers_never_recurse_on_input(tmp_path: Path) -> None:
    """In a process with little stack: depth that a file decides would end it."""
    script = (
        "import sys, io, pathlib, tempfile; sys.path.insert(0, sys.argv[1])\n"
        "from fuzz.targets import PARSERS, BEGINNINGS, EXPECTED\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "sys.setrecursionlimit(400)\n"
        "deep = (b'[', b'{\"a\":', b'\\0\\0\\0\\x08mdia', b'\\x7f\\xff\\xff\\xffmdia', b'(', b'<b>')\n"
        "for name, parse in PARSERS.items():\n"
        "    for begin in BEGINNINGS[name][:2]:\n"
        "        for token in deep:\n"
        "            try: parse(begin + token * 2_000, folder)\n"
        "            except EXPECTED: pass\n"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, cwd=root)
    assert ran.returncode == 0, ran.stderr[-2000:]
