"""What a process prints while its log is turned over: every line is written once, and no file stays open."""

from __future__ import annotations

import subprocess
import sys
import time
from configparser import RawConfigParser
from pathlib import Path

import psutil

from dreamlake_pipeline.stack import state
from dreamlake_pipeline.stack.processlogs import last_lines
from dreamlake_pipeline.stack.supervision import render_config

_LINES = 10_000
_PRINT = f"""
import time
for n in range({_LINES}):
    print(f"line {{n:06}} " + "x" * 60, flush=n % 50 == 0)
    if n % 200 == 0:
        time.sleep(0.01)
print("done", flush=True)
time.sleep(600)
"""


def test_no_line_is_lost_or_torn_when_a_log_is_turned_over(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "print.py").write_text(_PRINT)
    # As the stack's processes are kept, but for a smaller log.
    kept = dict(render_config(state.create(state.make_home(tmp_path / "home")))["program:bss"])
    kept |= {"command": f"{sys.executable} print.py", "autostart": "true", "stdout_logfile_maxbytes": "200KB"}
    config = RawConfigParser()
    config["supervisord"] = {"nodaemon": "true", "logfile": "supervisor.log", "pidfile": "supervisord.pid"}
    config["program:bss"] = kept
    with (tmp_path / "conf").open("w") as file:
        config.write(file)
    log = tmp_path / "logs" / "bss.log"
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", "conf"]
    supervisor = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while last_lines(log, 1) != ["done"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        files = sorted(log.parent.glob("bss.log*"), reverse=True)
        assert [file.name for file in files] == ["bss.log.2", "bss.log.1", "bss.log"]
        # supervisord turns a log over in the middle of a line: the first one that is kept may be half of one.
        lines = "".join(file.read_text() for file in files).splitlines()[1:]
        printed = [f"line {n:06} " + "x" * 60 for n in range(_LINES)] + ["done"]
        assert lines == printed[-len(lines) :] and len(lines) > 2 * 200_000 // 80
        opened = [Path(file.path).name for file in psutil.Process(supervisor.pid).open_files()]
        assert [name for name in opened if name.startswith("bss.log")] == ["bss.log"]
    finally:
        supervisor.terminate()
        supervisor.wait(60)
