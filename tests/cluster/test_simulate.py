"""The simulation works all of its files through the real services, and tells how busy its nodes were."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.simulate import simulate, table


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_two_nodes_work_everything_off(tmp_path: Path) -> None:
    (made,) = simulate(tmp_path, print, nodes=[2], seconds=6)
    assert (made.nodes, made.files) == (2, 12)
    assert 0 < made.busy <= 1 and made.seconds > 0
    assert len(table([made]).splitlines()) == 2
