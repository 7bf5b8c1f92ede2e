"""Lists of failed, warned and partial files read what they show, however many other records there are."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, text

from dreamlake_pipeline.bss import places
from dreamlake_pipeline.bss.places import Place

RECORDS = 5000
FEW = 50
PAGE = 101
QUESTIONS = ("failed", "warned", "partial")

# What all rows of a project have, or few: status, error, last_error, warnings, metadata.
_TROUBLE = {
    "failed": ("failed", "'{}'", "NULL", "'[]'", "NULL"),
    "failed before": ("ready", "NULL", "'{}'", "'[]'", "'{}'"),
    "warned": ("ready", "NULL", "NULL", """'["One thing."]'""", "'{}'"),
    "partial": ("ready", "NULL", "NULL", """'["1 s is missing."]'""", """'{"partial": true}'"""),
    "fine": ("ready", "NULL", "NULL", "'[]'", "'{}'"),
}
_SHOWN_BY = {"failed": ["failed"], "failed before": ["failed"], "warned": ["warned"], "partial": ["warned", "partial"]}


@pytest.fixture(scope="module")
def database(service) -> Engine:
    """5,000 records for each kind of trouble in the project `all` of its namespace, and 50 in `few` among 5,000."""
    engine = service.app.state.database
    for trouble in _SHOWN_BY:
        for project in ("all", "few"):
            with engine.begin() as connection:
                _insert(connection, owner_of(trouble), project, trouble)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE records"))
    return engine


def owner_of(trouble: str) -> str:
    return trouble.replace(" ", "-")


def _insert(connection: Any, owner: str, project: str, trouble: str) -> None:
    """Those with trouble lie behind all others, where a scan in the order of ids would come last."""
    status, error, last_error, warnings, metadata = (
        f"CASE WHEN n > {RECORDS - (RECORDS if project == 'all' else FEW)} THEN {bad} ELSE {fine} END"
        for bad, fine in zip(_values(trouble), _values("fine"), strict=True)
    )
    connection.execute(
        text(f"""
        INSERT INTO records (id, kind, owner, project, name, staging_key, size, content_type, status, ready_at,
            error, last_error, warnings, metadata)
        SELECT :start || lpad(to_hex(n), 12, '0'), 'video', :owner, :project, '/f' || n || '.mp4',
            :owner || '/x/staging/' || n, 1, 'video/mp4', {status}, now(), {error}, {last_error}, {warnings}, {metadata}
        FROM generate_series(1, {RECORDS}) n"""),
        {"start": secrets.token_hex(6), "owner": owner, "project": project},
    )


def _values(trouble: str) -> list[str]:
    status, *objects = _TROUBLE[trouble]
    return [f"'{status}'", *(f"{one}::jsonb" for one in objects)]


def rows_read(plan: Mapping[str, Any]) -> int:
    """How many rows the scans of a plan read, kept or not."""
    own = 0
    if "Relation Name" in plan:
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return round(own) + sum(rows_read(one) for one in plan.get("Plans", []))


@pytest.mark.parametrize("project", ["all", "few", None])
@pytest.mark.parametrize(("trouble", "question"), [(one, asked) for one in _SHOWN_BY for asked in QUESTIONS])
def test_a_page_reads_what_it_shows(database: Engine, trouble: str, question: str, project: str | None) -> None:
    place = Place(owner_of(trouble), project)
    with database.connect() as connection:
        query = f"EXPLAIN (ANALYZE, FORMAT JSON) {places.statement(place, **{question: True})}"
        told = connection.execute(text(query), place.parameters() | {"after": "", "limit": PAGE}).scalar_one()
        [plan] = told if isinstance(told, list) else json.loads(told)
        page = places.list_page(connection, place, **{question: True}, cursor=None, limit=PAGE - 1)
    is_shown = question in _SHOWN_BY[trouble]
    assert len(page.items) == (0 if not is_shown else FEW if project == "few" else PAGE - 1)
    # Each row of the page, and whether a later one has its name.
    assert rows_read(plan["Plan"]) <= 2 * PAGE, json.dumps(plan, indent=1)


def test_a_list_goes_on_to_its_end(database: Engine) -> None:
    place, cursor, found = Place(owner_of("warned")), None, 0
    with database.connect() as connection:
        while True:
            page = places.list_page(connection, place, warned=True, cursor=cursor, limit=1000)
            found += len(page.items)
            if (cursor := page.cursor) is None:
                break
    assert found == RECORDS + FEW
