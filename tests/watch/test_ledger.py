"""What a watch remembers of what it sent."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dreamlake_pipeline.client.walk import Version
from dreamlake_pipeline.client.watch.ledger import Ledger
from dreamlake_pipeline.errors import Code, DreamlakeError

ONE, OTHER = Version(1, 2, 3), Version(1, 2, 4)


def unknown(ledger: Ledger, **versions: Version) -> list[str]:
    return list(ledger.unknown(versions))


def test_exactly_what_was_sent_is_known_in_this_watch_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ["here"])
    ledger.sent("a", ONE)
    ledger.refused("b", ONE)
    for _ in range(2):  # before and after it is written
        assert unknown(ledger, a=ONE, b=ONE, c=ONE) == ["c"]
        assert unknown(ledger, a=OTHER) == ["a"]
        ledger.flush()
    ledger.close()
    assert unknown(Ledger(tmp_path, ["elsewhere"]), a=ONE) == ["a"]
    again = Ledger(tmp_path, ["here"])
    again.forget(only_refused=True)
    assert unknown(again, a=ONE, b=ONE) == ["b"]
    again.forget()
    assert unknown(again, a=ONE) == ["a"]


def test_files_that_are_long_gone_are_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(None, ["here"])
    (tmp_path / "there").touch()
    ledger.sent("there", ONE)
    ledger.sent("gone", ONE)
    ledger.flush()
    ledger.forget_gone(tmp_path, before=time.time() - 60)
    assert unknown(ledger, there=ONE, gone=ONE) == []
    ledger.forget_gone(tmp_path, before=time.time() + 60)
    assert unknown(ledger, there=ONE, gone=ONE) == ["gone"]


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "watched-1.sqlite").write_text("this is no database, and long enough to be looked at as one" * 20)
    for folder in (tmp_path / "file", tmp_path):
        with pytest.raises(DreamlakeError, match="cannot be used") as caught:
            Ledger(folder, ["here"])
        assert caught.value.code is Code.STORAGE_FAILED
        assert "DREAMLAKE_CACHE" in str(caught.value.hint)
