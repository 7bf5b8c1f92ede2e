"""Names of others on a terminal: what they hold is shown, and moves nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.cli.output import align, style, unstyle
from dreamlake_pipeline.visible import make_logs_visible, visible

# Every character that a terminal obeys or does not show. Line ends are ours where a terminal shows a new line.
CONTROLS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]
ATTACKS = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\x1b]52;c;aGk=\x1b\\",
    "a\u202egnp.exe",
    "\u2066x",
    "a\rb",
    "[bold]b",
]
# What our styles and progress bars send.
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|2K|1A|\?25[lh])|\r\n|\r")


@pytest.mark.parametrize("char", [*CONTROLS, "\ud800", "\U000e0041", "\ufdd0", "\U0010ffff"])
def test_a_control_character_is_written_out(char: str) -> None:
    shown = visible(f"a{char}b")
    assert char not in shown and shown.isprintable() and shown.startswith("a\\")
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "text", ["", "plain", "grün.wav", "録音\u3000一.mp4", "a\xa0b", "🎥", "e\u0301", "\\x1b", "[bold]"]
)
def test_other_text_stays(text: str) -> None:
    assert visible(text) == text


def test_a_name_can_not_have_a_style_of_ours() -> None:
    [line] = align([[style("name", bold=True), "\x1b[1mbold\x1b[0m"]])
    assert unstyle(line) == "name  \\x1b[1mbold\\x1b[0m"


def test_a_log_shows_what_strangers_sent_and_takes_no_line_of_theirs_for_its_own() -> None:
    before = logging.getLogRecordFactory()
    make_logs_visible()
    try:
        make_record = logging.getLogRecordFactory()
        formatter = logging.Formatter("%(levelname)s %(message)s")  # of any library
        record = make_record("a", logging.ERROR, "", 0, "no %s", ("x\nERROR forged\x1b[2J",), None)
        assert formatter.format(record) == "ERROR no x\n    ERROR forged\\x1b[2J"
        try:
            raise ValueError("\x1b[2J")
        except ValueError:
            record.exc_info = sys.exc_info()
        text = formatter.format(record)
        assert "Traceback" in text and "\n" in text and "\x1b" not in text
    finally:
        logging.setLogRecordFactory(before)


def on_terminal(words: list[str | Path], environment: dict[str, str]) -> str:
    """What the command prints on a terminal, both streams."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "dreamlake_pipeline.cli.main", *map(str, words)],
        env={**os.environ, **environment, "TERM": "xterm-256color", "COLUMNS": "300"},
        stdin=end, stdout=end, stderr=end,
    ) as command:  # fmt: skip
        os.close(end)
        data = b""
        with contextlib.suppress(OSError):  # as the end of a terminal is told
            while some := os.read(terminal, 1 << 16):
                data += some
        os.close(terminal)
    assert command.returncode in (0, 1)
    return data.decode()


def assert_harmless(text: str) -> None:
    """Nothing but our own styles moves the terminal, and what came of others is there to be read."""
    rest = OURS.sub("", text)
    assert not [char for char in rest if char in CONTROLS], repr(rest)


def test_names_and_fields_move_no_terminal(
    environment: dict[str, str], owner: str, pipeline: Any, dreamlake: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, attack in enumerate([*ATTACKS, "".join(CONTROLS[1:32]).replace("/", "")]):
        for extension in ("wav", "xyz\x1b[31m"):
            (folder / f"{number}{attack}.{extension}").write_bytes(f"{number} {extension}".encode())
    told = on_terminal(["ingest", folder, "--episode", "robot"], environment)
    assert_harmless(told)
    assert "\\x1b[31mred" in told and "\\u202e" in told and "[bold]b" in told

    # Metadata as a pipeline may report it of a label file that anybody wrote.
    evil = "".join(ATTACKS)
    pipeline.metadata |= {
        "entries": 1, "fields": [{"name": evil, "type": "string", "nulls": 0, "min": evil}], evil: {evil: [evil]},
        "warnings": [evil], "source": {"container": evil, "streams": [{"title": evil, evil: 1}]},
        "badLines": [{"line": 1, "reason": evil}],
    }  # fmt: skip
    pipeline.work(owner, lambda record: evil if "[bold]" in record.name else None)
    for words in (["tree", "robot"], ["ls", "robot", "/"], ["ls", "robot"]):
        assert_harmless(on_terminal(words, environment))
    files = dreamlake("tree", "robot", "--json").events
    assert any("\u202e" in node["name"] for node in files), "JSON is exact"
    for node in files:
        if node.get("asset"):
            shown = on_terminal(["show", node["asset"]["bssId"]], environment)
            assert_harmless(shown)
            assert "\\x1b]0;title\\x07" in shown
            metadata = json.loads(dreamlake("show", node["asset"]["bssId"], "--json").out)["metadata"]
            assert metadata is None or metadata["fields"][0]["name"] == evil, "JSON is exact"
