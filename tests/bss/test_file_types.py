"""What kind the files of some extensions are, as a project keeps it."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient


def test_a_projects_types(api: TestClient, owner: str) -> None:
    route = f"/projects/{owner}/new/settings"
    assert api.get(route).json()["types"] is None
    for types in ({".dat": "audio", ".log": "text-track"}, {}, None):
        assert api.put(route, json={"types": types}).json()["types"] == types == api.get(route).json()["types"]
    # Written in one way, whoever says it.
    assert api.put(route, json={"types": {"*.DAT": "video"}}).json()["types"] == {".dat": "video"}


@pytest.mark.parametrize(
    "types", [{".dat": "sound"}, {"": "audio"}, {"a/b": "audio"}, {"x.y": "audio"}, [".dat"], "dat"]
)
def test_what_is_no_type_is_refused(api: TestClient, owner: str, types: Any) -> None:
    refused = api.put(f"/projects/{owner}/lab/settings", json={"types": types})
    assert refused.status_code == 422
    assert "types" in refused.json()["error"]["message"]
