"""What status says of the cage: a layer that there is not is missing, old libraries are no layer."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.media.run import build, workers
from dreamlake_pipeline.media.run.cage.layer import LAYERS
from dreamlake_pipeline.media.run.workers import Workers
from dreamlake_pipeline.stack.cage import Layer


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_does_not_hold_is_missing(name: str) -> None:
    assert Layer(name, False, "").state == "missing"
    assert Layer(name, True, "").state == "holds"


def test_old_libraries_are_told_of_and_do_not_keep_require_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "is_safe", lambda version: False)
    libav = build.libav()
    assert Layer(*libav).state == "outdated"
    monkeypatch.setattr(workers, "_is_required", lambda: True)
    with Workers(1, without=LAYERS) as some:  # nothing is missing that was not left out
        assert libav.name not in [layer.name for layer in some.layers()]
