"""What Tab completes, as bash asks for it: `:` and `@` end a word there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.cli.main import app

SCRIPTS = Path(sys.executable).parent

# Bash's own cutting of words at the characters of COMP_WORDBREAKS, as readline does it without quotes.
ASK = textwrap.dedent("""
    source "$2"
    compopt() { echo "(no blank)"; }
    COMP_LINE="$1" COMP_POINT=${#1}
    _dreamlake_completion
    printf '%s\\n' "${COMPREPLY[@]}"
""")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What --install-completion installs in bash."""
    # Typer asks which shell it is called from; without that, it is told.
    named = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = subprocess.run(
        [SCRIPTS / "dreamlake", "--show-completion", "bash"], env=named, capture_output=True, check=True
    )
    path = tmp_path_factory.mktemp("completion") / "dreamlake.sh"
    path.write_bytes(shown.stdout)
    return path


@pytest.fixture
def ask(environment: dict[str, str], script: Path) -> Callable[[str], list[str]]:
    """What bash would put in the place of the end of a line."""

    def answers(line: str) -> list[str]:
        # COMP_WORDBREAKS is set where bash is interactive.
        words = ["bash", "--norc", "-i", "-c", ASK, "bash", line, str(script)]
        path = f"{SCRIPTS}:{os.environ['PATH']}"
        shell = subprocess.run(
            words,
            env=os.environ | environment | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            start_new_session=True,
        )
        return [line for line in shell.stdout.splitlines() if line]

    return answers


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path, tmp_path: Path) -> None:
    (recordings / "run-001" / "camera" / "a b.srt").write_text("words")
    assert dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder").code == 0
    (tmp_path / "own.srt").write_text("own")
    assert dreamlake("upload", tmp_path / "own.srt", "-e", "plates", "--to", "/notes").code == 0


@pytest.fixture
def offered(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """What a line may go on with, as every shell's script asks for it."""

    def answers(line: str) -> list[str]:
        with monkeypatch.context() as patch:
            patch.setenv("_DREAMLAKE_COMPLETE", "complete_fish")
            patch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
            patch.setenv("_TYPER_COMPLETE_ARGS", line)
            capsys.readouterr()
            with pytest.raises(SystemExit):
                app([], prog_name="dreamlake")
            return [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines() if line]

    return answers


LINES = {
    "ls ": ["plates", "robot"],
    "ls ro": ["robot:"],
    "ls pl": ["plates/"],
    "ls robot:": ["robot:run-001", "robot:run-002"],
    "show robot:run-001/": ["robot:run-001/camera/", "robot:run-001/mic/"],
    "show robot:run-001/camera/": ["robot:run-001/camera/a b.srt", "robot:run-001/camera/front.mp4"],
    "show robot:run-001 cam": ["camera/"],
    "download robot:run-001 /camera/f": ["/camera/front.mp4"],
    "rm -e robot:run-001 mic/": ["mic/left.wav"],
    "tree robot:run-001/camera fro": ["front.mp4"],
    "retry robot:run-001 robot:run-00": ["robot:run-001", "robot:run-002"],
    "ingest . -e robot:run-00": ["robot:run-001", "robot:run-002"],
    "ls robot@{}:run-002/w": ["robot@{}:run-002/words.srt"],
    "ls plates/no": ["plates/notes/"],
    "ls plates/notes/": ["plates/notes/own.srt"],
    "project show ro": ["robot"],
    "ls nothing/": [],
    "ls robot:nothing/": [],
    "tre": ["tree"],
    "ls --status re": ["registered", "ready"],
    "failed --code media_cor": ["media_corrupt"],
    "logs dagster-w": ["dagster-webserver"],
}


def test_projects_episodes_folders_and_files_are_offered(
    offered: Callable[[str], list[str]], stored: None, owner: str
) -> None:
    for line, found in LINES.items():
        assert offered(f"dreamlake {line}".format(owner)) == [one.format(owner) for one in found], line


def test_bash_replaces_what_it_takes_for_the_word(ask: Callable[[str], list[str]], stored: None, owner: str) -> None:
    assert ask("dreamlake ls ro") == ["(no blank)", "robot:"]
    assert ask("dreamlake ls robot:") == ["run-001", "run-002"]
    assert ask("dreamlake show robot:run-001/camera/a\\ b") == ["run-001/camera/a\\ b.srt"]
    assert ask(f"dreamlake ls robot@{owner}:run-001/c") == ["(no blank)", "run-001/camera/"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_the_same(environment: dict[str, str], stored: None, tmp_path: Path) -> None:
    named = os.environ | environment | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    named |= {"PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    shown = subprocess.run(
        [SCRIPTS / "dreamlake", "--show-completion", "fish"], env=named, capture_output=True, check=True
    )
    (tmp_path / "dreamlake.fish").write_bytes(shown.stdout)
    for line, found in (
        ("dreamlake ls robot:", ["robot:run-001", "robot:run-002"]),
        ("dreamlake show robot:run-001 /camera/a", ["/camera/a b.srt"]),
    ):
        asked = ["fish", "--no-config", "-c", f"source {tmp_path}/dreamlake.fish; complete -C '{line}'"]
        offered = subprocess.run(asked, env=named, capture_output=True, text=True, timeout=120, check=True)
        assert offered.stdout.splitlines() == found, line


def test_a_line_that_is_being_written_is_no_place_for_an_error(
    offered: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DREAMLAKE_REMOTE", "http://127.0.0.1:1"), ("DREAMLAKE_API_KEY", "none")):
        monkeypatch.setenv(name, value)
        assert offered("dreamlake ls ro") == []
