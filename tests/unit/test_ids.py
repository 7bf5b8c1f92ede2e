"""Record ids."""

from __future__ import annotations

import time

import pytest

from dreamlake_pipeline.ids import is_id, new_id


def test_ids_are_24_hex_digits_and_differ() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 24 and is_id(one) for one in ids)


def test_ids_sort_by_the_second_they_were_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    made = []
    for second in (0, 1, 60, 86_400):
        monkeypatch.setattr(time, "time", lambda second=second: now + second)
        made.append(new_id())
    assert made == sorted(made)
    assert int(made[0][:8], 16) == int(now)


@pytest.mark.parametrize("text", ["", "a" * 23, "a" * 25, "A" * 24, "g" * 24, "a" * 24 + "\n"])
def test_other_text_is_no_id(text: str) -> None:
    assert not is_id(text)
