"""Settings, and the page that lists them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dreamlake_pipeline import storage
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.settings import ENV_PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{field.upper()}", raising=False)


def documented(section: str) -> list[list[str]]:
    """The cells of the rows of a section's table."""
    text = PAGE.read_text().split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")
    ]


def test_the_documentation_lists_exactly_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    defaults = Settings()
    values = {name: getattr(defaults, name) for name in Settings.model_fields}
    shown = {name: str(value).replace("/somebody", "~") for name, value in values.items() if value is not None}
    assert documented("Settings") == [
        [f"`{ENV_PREFIX}{name.upper()}`", f"`{shown[name]}`" if name in shown else "", field.description]
        for name, field in Settings.model_fields.items()
    ]


def test_the_documentation_has_every_variable_that_the_object_store_reads() -> None:
    modules = Path(storage.__file__).parent.glob("*.py")
    read = {name for module in modules for name in re.findall(r"\"(AWS_[A-Z_]+)\"", module.read_text())}
    assert read
    names = " ".join(row[0] for row in documented("S3"))
    assert read <= set(re.findall(r"AWS_[A-Z_]+", names))


def test_values_come_from_the_environment_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().bucket == "dreamlake"
    monkeypatch.setenv("DREAMLAKE_BUCKET", "recordings")
    monkeypatch.setenv("DREAMLAKE_WORKERS", "7")
    monkeypatch.setenv("DREAMLAKE_UNKNOWN", "x")
    settings = Settings()
    assert (settings.bucket, settings.workers) == ("recordings", 7)


def test_a_ladder_is_a_list_of_heights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMLAKE_LADDER", " 480, 1080,720,480")
    assert Settings().ladder == (1080, 720, 480)
    monkeypatch.setenv("DREAMLAKE_LADDER", "")
    assert Settings().ladder is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PART_SIZE", "1"),
        ("WORKERS", "0"),
        ("BATCH_LEASE", "soon"),
        ("AUTH_SECRET", "x" * 31),
        ("AUTH_SECRETS", "x" * 31),
        ("AUTH_SECRETS", f"{'x' * 32},{'y' * 31}"),
        ("AUTH_SECRETS", f"{'x' * 32},"),
        ("AUTH_SECRETS", f'["{"x" * 32}", 7]'),
        ("AUTH_SECRETS", "[]"),
        ("AUTH_SECRETS", '["'),
        ("URL_TTL", str(7 * 86_400 + 1)),
        ("LADDER", "tall"),
        ("LADDER", "721"),
    ],
)
def test_values_out_of_bounds_are_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(ENV_PREFIX + variable, value)
    with pytest.raises(DreamlakeError, match=f"DREAMLAKE_{variable} cannot be used") as caught:
        Settings()
    assert caught.value.code is Code.USAGE


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        if value is not None:
            monkeypatch.setenv("DREAMLAKE_AUTH_SECRET", value)
        with pytest.raises(DreamlakeError, match="DREAMLAKE_AUTH_SECRET is not set") as caught:
            Settings().require("auth_secret")
        assert caught.value.code is Code.USAGE
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRET", "k" * 32)
    assert Settings().require("auth_secret") == "k" * 32


def test_keys_of_tokens_are_one_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    one, new, old = "o" * 32, "n" * 32, "a key, with a comma, of 32 bytes"
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRET", one)
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", "")
    assert Settings().token_keys() == (one,)
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", f"{new}, {one}")
    assert Settings().token_keys() == (new, one)
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", json.dumps([new, old]))
    assert Settings().token_keys() == (new, old)
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", "hush," + new)
    with pytest.raises(DreamlakeError) as caught:
        Settings()
    assert "hush" not in str(caught.value) and new not in str(caught.value)


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "AUTH_SECRET": "hush-1" * 8,
        "AUTH_SECRETS": "hush-4" * 8,
        "API_KEY": "hush-2",
        "POSTGRES_URL": "postgresql://u:hush-3@h/d",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(ENV_PREFIX + name, value)
    assert "hush" not in repr(Settings()) + str(Settings()) + Settings().model_dump_json()


def test_who_says_where_state_goes_means_the_cache_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert Settings().cache == Path("/somewhere/cache/dreamlake")
    monkeypatch.setenv("DREAMLAKE_HOME", "/data/lake")
    assert Settings().cache == Path("/data/lake/cache")
    monkeypatch.setenv("DREAMLAKE_CACHE", "/elsewhere")
    assert Settings().cache == Path("/elsewhere")
