"""One scenario after another, each with a directory of its own: bring it, have something happen, wait, look."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg

from torture.check import Checked, check, check_by_fsck, check_tables
from torture.clients import Clients
from torture.inputs import Expected, Inputs

from . import dagsterruns
from .home import Cluster, Say, running, wait_until
from .inputs import mixed
from .scenarios import SCENARIOS, Happened, Scenario

# Beyond what Ray itself needs to notice (issue 15): a scenario whose files take longer to settle has failed.
SETTLES_WITHIN = 30.0
_LONGEST = 1800.0
_FFMPEG_GONE_WITHIN = 10.0
_BATCHES_A_NODE = 3  # so that nobody waits long for one batch, and a node that joins finds work
_SHOWS_ITS_LOG_AFTER = 20.0  # `upload_interval` of dagster.yaml is 10 s
_LOGS_SHOWN_WITHIN = 20.0


@dataclass(slots=True)
class Round:
    """What came of one scenario. Seconds: until all was settled, and that of the calm one."""

    name: str
    happened: Happened
    files: int
    ready: int
    seconds: float
    calm: float | None
    attempts: int
    wrong: dict[str, list[str]] = field(default_factory=dict)

    @property
    def beyond(self) -> float:
        """Seconds that the files took longer than in calm, and that are not Ray's for noticing."""
        return max(0.0, self.seconds - (self.calm or self.seconds) - self.happened.noticed)

    @property
    def is_good(self) -> bool:
        return not any(self.wrong.values())


@dataclass(slots=True)
class Session:
    """A cluster through several rounds. `expected` is all that was brought so far."""

    cluster: Cluster
    inputs: Inputs
    files: int
    say: Say
    calm: float | None = None
    expected: list[Expected] = field(default_factory=list)
    _waves: int = 0
    _runs: set[str] = field(default_factory=set)

    def play(self, name: str, scenario: Scenario) -> Round:
        """Bring a wave, have the scenario happen, and look at what came of it."""
        cluster, number = self.cluster, self._waves
        self._waves += 1
        wave = mixed(self.inputs, number, self.files)
        clients = Clients(cluster.world, self.say)
        self.say(f"{name}: {len(wave.expected)} files")
        begun = time.monotonic()
        bringing = threading.Thread(target=clients.bring, args=[wave], daemon=True)
        bringing.start()
        happened = _have_happen(cluster, scenario)
        self.say(f"{name}: {happened.what}")
        for sentence in happened.wrong:
            self.say(f"    {sentence}")
        bringing.join()
        self.expected += wave.expected
        settled = self._settle(wave.expected)
        happened.look_back(cluster.jobs)
        seconds = time.monotonic() - begun
        checked, records = check_tables(cluster.world, self.expected)
        if not settled:
            checked.find("not settled", f"after {seconds:.0f} s: {_states(records)}")
        for sentence in [*happened.wrong, *clients.findings]:
            checked.find("scenario", sentence)
        self._check_ffmpeg(checked)
        self._check_logs(checked)
        mine = {file.place for file in wave.expected}
        of_wave = [
            record
            for record in records
            if (record["owner"], record["project"], record["episode"], record["name"]) in mine
        ]
        ready = sum(record["status"] == "ready" for record in of_wave)
        attempts = max((record["attempts"] for record in of_wave), default=0)
        calm = self.calm
        if name == "calm":
            self.calm = seconds
        made = Round(name, happened, len(wave.expected), ready, seconds, calm, attempts, dict(checked.wrong))
        if made.beyond > SETTLES_WITHIN:
            made.wrong["slow"] = [f"settled {made.beyond:.0f} s later than Ray explains"]
        after = f"settled after {seconds:.1f} s, noticed after {happened.noticed:.1f} s"
        self.say(f"{name}: {after}: {'good' if made.is_good else 'WRONG'}")
        for line in (*checked.lines(), *made.wrong.get("slow", [])):
            self.say(f"    {line}")
        self._restore()
        return made

    def _settle(self, expected: Sequence[Expected]) -> bool:
        places, begun, told = {file.place for file in expected}, time.monotonic(), time.monotonic()
        while time.monotonic() - begun < _LONGEST:
            with suppress(psycopg.Error):
                rows = self.cluster.world.rows("SELECT owner, project, episode, name, status FROM bss.records")
                settled = {
                    (row["owner"], row["project"], row["episode"], row["name"])
                    for row in rows
                    if row["status"] in ("ready", "failed")
                }
                (opened,) = self.cluster.world.rows("SELECT count(*) AS n FROM bss.batches WHERE state = 'open'")
                if places <= settled and not opened["n"]:
                    return True
                if time.monotonic() - told > 15:
                    told = time.monotonic()
                    self.say(f"    {len(places - settled)} files left, {opened['n']} batches open")
            time.sleep(0.25)
        return False

    def _check_ffmpeg(self, checked: Checked) -> None:
        try:
            wait_until(lambda: not self.cluster.ffmpegs(), _FFMPEG_GONE_WITHIN, "no ffmpeg runs")
        except TimeoutError:
            for process in self.cluster.ffmpegs():
                with suppress(psutil.Error):
                    checked.find("ffmpeg left", f"process {process.pid}: {' '.join(process.cmdline()[-3:])}")

    def _check_logs(self, checked: Checked) -> None:
        """The UI shows what every run of the round has printed, also one that was cut off."""
        known = [run for run in dagsterruns.runs(self.cluster.stack) if run.run_id not in self._runs]
        self._runs |= {run.run_id for run in known}
        for run in known:
            until = time.monotonic() + _LOGS_SHOWN_WITHIN
            while not (printed := self._printed(run.run_id)).text and time.monotonic() < until:
                time.sleep(1)
            if printed.text:
                checked.counts["runs whose logs are shown"] += 1
            # One that never began, or was cut off before its first upload, has shown nothing to anybody.
            elif run.status == "SUCCESS" or (printed.seconds or 0) > _SHOWS_ITS_LOG_AFTER:
                checked.find("no logs", f"run {run.run_id} ({run.status}, {printed.seconds} s)")

    def _printed(self, run_id: str) -> dagsterruns.Printed:
        with suppress(httpx.HTTPError):
            return dagsterruns.printed(self.cluster.stack, run_id)
        return dagsterruns.Printed("", None)

    def _restore(self) -> None:
        """As many nodes as at the beginning, and a Ray that has them all."""
        for node in list(self.cluster.nodes.values())[self.cluster.standing :]:
            node.kill()
        if not self.cluster.head.is_up:
            self.cluster.start_head()
        for node in list(self.cluster.nodes.values())[: self.cluster.standing]:
            if not node.is_up:
                self.cluster.start(node)
        self.cluster.wait_for_nodes()


def _have_happen(cluster: Cluster, scenario: Scenario) -> Happened:
    try:
        return scenario(cluster)
    except Exception as fault:
        return Happened("it could not be done", wrong=[f"{type(fault).__name__}: {fault}"])


def _states(records: Sequence[dict[str, object]]) -> dict[str, int]:
    count: dict[str, int] = {}
    for record in records:
        count[str(record["status"])] = count.get(str(record["status"]), 0) + 1
    return count


def rounds(folder: Path, seed: int, say: Say, *, files: int, nodes: int, names: Sequence[str]) -> Iterator[Round]:
    """Play these scenarios, after a calm round; the last one is followed by a look at every byte."""
    with running(folder, seed, say, nodes=nodes, batch_files=max(12, files // (_BATCHES_A_NODE * nodes))) as cluster:
        session = Session(cluster, Inputs(folder / "inputs", seed), files, say)
        for name in ["calm", *(name for name in names if name != "calm")]:
            yield session.play(name, SCENARIOS[name])
        say("looking at every byte")
        yield _whole(session)


def _whole(session: Session) -> Round:
    """Everything that was brought: all bytes, and what `dreamlake fsck --deep` finds."""
    begun = time.monotonic()
    checked = check(session.cluster.world, session.expected)
    check_by_fsck(session.cluster.world.environment, checked)
    for line in checked.lines():
        session.say(f"    {line}")
    counts = checked.counts
    what = Happened(f"{counts['chunks read back']} chunks and {counts['raw objects read back']} files read back")
    seconds = time.monotonic() - begun
    return Round("all bytes", what, counts["files"], counts["ready"], seconds, None, 0, dict(checked.wrong))


def table(made: Sequence[Round]) -> str:
    """What came of it, for a person."""
    head = ("scenario", "files", "ready", "attempts", "seconds", "noticed", "beyond", "")
    rows = [
        (
            one.name,
            str(one.files),
            str(one.ready),
            str(one.attempts or ""),
            f"{one.seconds:.1f}",
            f"{one.happened.noticed:.1f}" if one.happened.noticed else "",
            f"{one.beyond:.1f}" if one.calm else "",
            "good" if one.is_good else "WRONG: " + ", ".join(kind for kind, found in one.wrong.items() if found),
        )
        for one in made
    ]
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )
