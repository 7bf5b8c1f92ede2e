"""What Postgres is given."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, ProgrammingError

from dreamlake_pipeline.database import open_engine


def test_lists_of_text_arrive_as_they_are(new_database: Callable[[], str]) -> None:
    lists = [
        ["a", "", "null", "NULL", " b ", "{c}", "d,e", "f\\g", 'h"i', "\\", '"', '\\"', "j\nk", "Grüße", "\u2003", "'"],
        ["/plain/name.mp4"],
        [],
        [None, "a"],
    ]
    engine = open_engine(new_database(), schema="public", pool_size=1)
    with engine.connect() as connection:
        for given in lists:
            assert connection.execute(text("SELECT CAST(:given AS text[])"), {"given": given}).scalar() == given
        with pytest.raises(DataError, match="NUL"):
            connection.execute(text("SELECT CAST(:given AS text[])"), {"given": ["a\x00b"]})
    engine.dispose()


def test_a_fault_does_not_tell_what_was_sent(new_database: Callable[[], str]) -> None:
    engine = open_engine(new_database(), schema="public", pool_size=1)
    with engine.connect() as connection, pytest.raises(ProgrammingError) as fault:
        connection.execute(text("SELECT :given FROM nowhere"), {"given": "somebody's own"})
    assert "somebody" not in str(fault.value)
    engine.dispose()
