"""How a schema is upgraded: in its own time, without holding anybody up, once, and never back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from dreamlake_pipeline import migrations
from dreamlake_pipeline.database import BSS_SCHEMA, open_engine
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.migrations import migrate

from .conftest import structure

Package = Callable[[Mapping[str, str]], str]

TABLE = (
    'op.execute("CREATE TABLE things (id int PRIMARY KEY, size int);'
    ' INSERT INTO things SELECT g, g FROM generate_series(1, 1000) g")'
)
COLUMN = 'op.execute("ALTER TABLE things ADD COLUMN name text")'
INDEX = 'create_index("things_by_size", "things (size)")'


def test_a_script_may_take_longer_than_any_other_statement(
    database: str, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = open_engine.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "statement_timeout", "200ms")
    ordinary = open_engine(database, schema="trial")
    with ordinary.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(text("SELECT pg_sleep(1)"))
    ordinary.dispose()
    migrate(database, schema="trial", package=package({"0001": 'op.execute("SELECT pg_sleep(1)")'}))


def test_a_reader_with_an_open_transaction_is_waited_for_and_holds_nobody_up(
    database: str, package: Package, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "300ms")
    migrate(database, schema="trial", package=package({"0001": TABLE}))
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM things"))
        pid = reader.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with _migrating(database, package({"0001": TABLE, "0002": COLUMN})) as upgrade:
            _until(lambda: any(f"process {pid} " in record.getMessage() for record in caplog.records))
            # Others ask for the table while the upgrade tries: each is answered, after a lock timeout at the longest.
            with engine.connect() as other:
                other.execute(text("SET lock_timeout = '3s'"))
                for _ in range(30):
                    other.execute(text("SELECT count(*) FROM things"))
                    other.execute(text("UPDATE things SET size = size + 1 WHERE id = 1"))
                    other.commit()
                    time.sleep(0.05)
            assert upgrade.is_alive()
            reader.rollback()
    assert "name" in _columns(engine)


def test_processes_that_upgrade_at_once_take_turns(database: str, package: Package, engine: Engine) -> None:
    """One waits for its turn while the other makes an index, which waits for all transactions from before."""
    name = package({"0001": TABLE, "0002": INDEX, "0003": 'op.execute("SELECT pg_sleep(1)")', "0004": COLUMN})
    upgrades = [threading.Thread(target=migrate, args=(database,), kwargs=_of(name)) for _ in range(4)]
    for upgrade in upgrades:
        upgrade.start()
    for upgrade in upgrades:
        upgrade.join(60)
        assert not upgrade.is_alive()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0004"]
        assert _is_valid(engine, "things_by_size")


def test_a_process_that_is_killed_in_a_script_leaves_nothing_of_it(
    database: str, package: Package, engine: Engine, tmp_path: Path
) -> None:
    migrate(database, schema="trial", package=package({"0001": TABLE}))
    slow = 'op.execute("ALTER TABLE things ADD COLUMN name text; SELECT pg_sleep(600)")'
    _kill_while(database, package({"0001": TABLE, "0002": slow}), tmp_path, engine, waiting_on="PgSleep")
    assert "name" not in _columns(engine)
    migrate(database, schema="trial", package=package({"0001": TABLE, "0002": COLUMN}))
    assert "name" in _columns(engine)


def test_an_index_that_was_interrupted_is_made_anew(
    database: str, package: Package, engine: Engine, tmp_path: Path
) -> None:
    migrate(database, schema="trial", package=package({"0001": TABLE}))
    name = package({"0001": TABLE, "0002": INDEX})
    with engine.connect() as writer:
        writer.execute(text("UPDATE things SET size = 0 WHERE id = 1"))  # the index waits for its end
        _kill_while(database, name, tmp_path, engine, waiting_on="virtualxid")
        writer.rollback()
    _until(lambda: _is_valid(engine, "things_by_size") is False)
    migrate(database, schema="trial", package=name)
    assert _is_valid(engine, "things_by_size") is True


def test_an_index_is_not_made_twice_when_its_revision_was_not_noted(
    database: str, package: Package, engine: Engine
) -> None:
    name = package({"0001": TABLE, "0002": INDEX})
    migrate(database, schema="trial", package=name)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    migrate(database, schema="trial", package=name)
    assert _is_valid(engine, "things_by_size") is True


def test_a_newer_schema_is_refused_and_nothing_changed(database: str, package: Package, engine: Engine) -> None:
    migrate(database, schema="trial", package=package({"0001": TABLE, "0002": COLUMN, "0003": INDEX}))
    with engine.connect() as connection:
        before = structure(connection, "trial")
    with pytest.raises(DreamlakeError) as refused:
        migrate(database, schema="trial", package=package({"0001": TABLE, "0002": COLUMN}))
    assert refused.value.code is Code.SCHEMA_NEWER
    assert "revision 0003" in refused.value.message and "newest revision here is 0002" in refused.value.message
    with engine.connect() as connection:
        assert structure(connection, "trial") == before
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0003"]


@pytest.mark.parametrize("problem", ["newer schema", "no database"])
def test_a_service_that_cannot_start_says_why_in_a_sentence(database: str, s3_server: str, problem: str) -> None:
    if problem == "newer schema":
        migrate(database, schema=BSS_SCHEMA, package="dreamlake_pipeline.bss")
        engine = open_engine(database, schema=BSS_SCHEMA)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()
        expected = "a newer version upgraded it"
    else:
        database, expected = "postgresql://nobody@127.0.0.1:1/none", "Postgres does not answer at 127.0.0.1:1"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "uvicorn", "--factory", "dreamlake_pipeline.bss.app:create_app", "--port", "0"),
        ],
        env=os.environ | {"DREAMLAKE_POSTGRES_URL": database, "DREAMLAKE_AUTH_SECRET": "s" * 32},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 3
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def _of(package: str) -> dict[str, str]:
    return {"schema": "trial", "package": package}


@contextmanager
def _migrating(url: str, package: str) -> Iterator[threading.Thread]:
    """A thread that upgrades; the block ends when it has."""
    upgrade = threading.Thread(target=migrate, args=(url,), kwargs=_of(package), daemon=True)
    upgrade.start()
    yield upgrade
    upgrade.join(60)
    assert not upgrade.is_alive()


def _kill_while(url: str, package: str, folder: Path, engine: Engine, *, waiting_on: str) -> None:
    """Start an upgrade in a process of its own, kill it while Postgres waits on this for it, and wait until Postgres
    has noticed."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    program += "from dreamlake_pipeline.migrations import migrate\n"
    program += f"migrate({url!r}, schema='trial', package={package!r})"
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        _until(lambda: process.poll() is None and _sessions(engine, waiting_on) == 1)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        _until(lambda: _sessions(engine, waiting_on) == 0)
    finally:
        process.kill()


def _sessions(engine: Engine, event: str) -> int:
    with engine.connect() as connection:
        return connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = :event"
                " AND application_name = 'dreamlake-trial' AND pid <> pg_backend_pid()"
            ),
            {"event": event},
        ).scalar_one()


def _columns(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'trial'"
        return set(connection.execute(text(query)).scalars())


def _is_valid(engine: Engine, index: str) -> bool | None:
    with engine.connect() as connection:
        query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)"
        return connection.execute(text(query), {"index": index}).scalar()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in a minute"
        time.sleep(0.05)
