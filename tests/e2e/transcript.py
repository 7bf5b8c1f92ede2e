"""The console blocks of a page: their commands are run in order, and what they say takes the place of what is there.

`python -m tests.e2e.transcript PAGE` rewrites the page, by the embedded stack that runs under DREAMLAKE_HOME.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.stack import state
from dreamlake_pipeline.stack.demo import make_directory

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_TOKEN = re.compile(r"\bey[\w-]+\.[\w-]+\.[\w-]+")

# What differs from run to run, and what stands for it in a comparison. The order counts.
_VOLATILE = (
    (
        r"^\d[\d,]* (?:processing|made|queued|registered|waiting|ready|failed)(?:[,:].*)?\n",
        "",
    ),  # how far it is, now and then
    (r"\S+/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-\w+", "BATCH"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+\d\d:\d\d)", "TIME"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?\b", "TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "CLOCK"),
    (r"https?://[^\s\"]+", "URL"),
    (r"\b[0-9a-f]{24}\b", "ID"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"(?<=, )[\d.:]+(?: m?s)?$", "SECONDS"),
    (r"\d[\d.,]* (?:[kMG]?B(?:/s)?|bytes|[kM]bit/s)\b", "BYTES"),
    (r"/\S*/(?=recordings\b|out\b)", ""),
)


def prepare(folder: Path) -> None:
    """What the page's commands find: two episodes, of which one file is broken and one of no known kind.

    They are an hour old: the hash of a file that was written to just before it was read is not remembered, so that the
    next command would look at it once more.
    """
    recordings = make_directory(folder / "recordings")
    (recordings / "episode-002" / "camera" / "broken.mp4").write_bytes(bytes(range(256)) * 40)
    (recordings / "episode-002" / "notes.txt").write_text("The gripper was replaced before this episode.\n")
    (folder / "scene.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:02.000\nThe table is empty.\n")
    an_hour_ago = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (an_hour_ago, an_hour_ago))


def transcribe(page: str, folder: Path, environment: dict[str, str]) -> str:
    """The page with what the commands of its console blocks say now."""

    def run(block: re.Match[str]) -> str:
        lines = []
        for command in re.findall(r"^\$ (.*(?:\\\n.*)*)$", block[1], re.MULTILINE):
            done = subprocess.run(
                ["bash", "-c", command.partition("  # ")[0]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=180,
            )
            said = _TOKEN.sub("ey…", done.stdout)  # a page is no place for one
            lines += [
                f"$ {command}\n",
                said if said.endswith("\n") or not said else f"{said}\n",
            ]
        return f"```console\n{''.join(lines)}```"

    return _BLOCK.sub(run, page)


def masked(page: str) -> list[list[str]]:
    """The lines of each console block, as far as they are the same each time.

    A word stands for each part that is not, one space for columns, and lines are in the order of their letters, since
    files are dealt with side by side.
    """
    blocks = []
    for lines in _BLOCK.findall(page):
        for pattern, word in _VOLATILE:
            lines = re.sub(pattern, word, lines, flags=re.MULTILINE)
        blocks.append(sorted(re.sub(r"[ ─]{2,}", " ", line).rstrip() for line in lines.splitlines()))
    return blocks


def environment_of(stack: dict[str, str]) -> dict[str, str]:
    """That of a shell in which the page is followed: 120 columns, this tree's `dreamlake`, a token for `lab` alone.

    `stack` are the variables of a running stack, which others may use as well.
    """
    key = issue_token(stack["DREAMLAKE_AUTH_SECRET"], sub="page", namespaces=["lab"], scope=Scope.WRITE, ttl=3600)
    variables = stack | {"DREAMLAKE_API_KEY": key, "DREAMLAKE_NAMESPACE": "lab"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return os.environ | variables | plain | {"PATH": path}


if __name__ == "__main__":
    page, stack = Path(sys.argv[1]), state.environment(Settings().home)
    assert stack is not None, "no stack runs under DREAMLAKE_HOME"
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        page.write_text(transcribe(page.read_text(), Path(folder), environment_of(stack)))
