"""What is made of a round and of a figure, and what is brought in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.figures import Figure
from cluster.inputs import heavy, mixed
from cluster.rayjobs import Job, RayJobs
from cluster.rounds import Round, table
from cluster.scenarios import SCENARIOS, Happened
from torture.inputs import Inputs

REPOSITORY = Path(__file__).parents[2]


def test_what_ray_needs_to_notice_is_not_held_against_a_round() -> None:
    made = Round("kill-node", Happened("a node died", noticed=20), 600, 600, seconds=100, calm=60, attempts=2)
    assert made.beyond == 20 and made.is_good
    assert Round("calm", Happened("nothing"), 600, 600, seconds=60, calm=None, attempts=1).beyond == 0


def test_ray_may_notice_a_cut_when_the_link_is_whole_again() -> None:
    jobs = RayJobs("http://127.0.0.1:1", "token")
    jobs.jobs = {
        "here": Job("here", "10.77.0.11", "FAILED", ended_at=174.0),
        "before": Job("before", "10.77.0.11", "FAILED", ended_at=90.0),
        "ended well": Job("ended well", "10.77.0.11", "SUCCEEDED", ended_at=190.0),
        "elsewhere": Job("elsewhere", "10.77.0.12", "FAILED", ended_at=180.0),
        "nowhere": Job("nowhere", None, "FAILED", ended_at=185.0),
    }
    happened = Happened("a link was cut for 30 s", noticed=30.0, address="10.77.0.11", begun=100.0)
    happened.look_back(jobs)
    assert happened.noticed == 74.0
    calm = Happened("nothing")
    calm.look_back(jobs)
    assert calm.noticed == 0


def test_a_table_names_what_is_wrong() -> None:
    made = Round("roll", Happened("rolled"), 6, 5, 9.0, 8.0, 1, wrong={"lost": ["a file"], "stuck": []})
    last = table([made]).splitlines()[-1]
    assert not made.is_good and last.endswith("WRONG: lost")


@pytest.mark.parametrize(
    ("figure", "is_good"),
    [
        (Figure("overhead", 1.15, most=1.15), True),
        (Figure("overhead", 1.16, most=1.15), False),
        (Figure("speed-up", 1.8, least=1.8), True),
        (Figure("speed-up", 1.79, least=1.8), False),
    ],
)
def test_a_figure_is_held_to_what_is_asked(figure: Figure, is_good: bool) -> None:
    assert figure.is_good is is_good
    assert ("MISSED" in str(figure)) is not is_good


def test_a_mixed_directory_has_so_many_files_of_all_kinds(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "inputs", 3)
    first, second = mixed(inputs, 0, 40), mixed(inputs, 1, 40)
    for wave in (first, second):
        assert 36 <= len(wave.files) <= 40
        suffixes = {Path(file.name).suffix for file in wave.files}
        assert {".wav", ".mp4", ".csv", ".jsonl", ".srt", ".vtt"} <= suffixes
        assert sum(file.name.startswith("/overview/") for file in wave.files) >= 2
    assert len({file.sha256 for file in heavy(inputs, 2, 3).files if "/overview/" in file.name}) == 3


def test_every_scenario_is_documented() -> None:
    document = (REPOSITORY / "docs" / "cluster.md").read_text()
    assert [name for name in SCENARIOS if f"| `{name}` |" not in document] == []
