"""docs/operations.md and deploy/alerts.yml name what there is: metrics, alerts, settings, commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest

from dreamlake_pipeline.bss import gauges, measures
from dreamlake_pipeline.cli.main import app
from dreamlake_pipeline.settings import ENV_PREFIX, Settings
from dreamlake_pipeline.web import create_service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
UPGRADING = (ROOT / "docs" / "upgrading.md").read_text()
RULES = (ROOT / "deploy" / "alerts.yml").read_text()
METRIC = re.compile(r"\bdreamlake_(?!pipeline|index)[a-z_]+\b")


def known() -> set[str]:
    """The names of all metrics, without what Prometheus puts behind them."""
    registry = CollectorRegistry()
    measures.register(registry)
    service = create_service(title="Test", description="", keys=["k" * 32], is_healthy=lambda: None)
    shown = generate_latest(registry).decode() + TestClient(service).get("/metrics").text
    families = {name for name in re.findall(r"^# TYPE (dreamlake_\w+) ", shown, re.MULTILINE) if "_created" not in name}
    return families | set(re.findall(r'"(dreamlake_\w+)"', Path(gauges.__file__).read_text()))


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]


def family(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_every_metric_is_on_the_page_and_no_other() -> None:
    rows = [row.split(" | ")[0] for row in re.findall(r"^\| `dreamlake_.*", PAGE, re.MULTILINE)]
    table = {name for row in rows for name in re.findall(r"`(dreamlake_\w+)", row)}
    assert table == {family(name) for name in known()}


@pytest.mark.parametrize("text", [PAGE, RULES], ids=["page", "rules"])
def test_no_metric_is_named_that_is_none(text: str) -> None:
    named = {family(name) for name in METRIC.findall(text)}
    assert named and named <= known()


def test_every_alert_says_what_it_is_and_the_page_what_to_do() -> None:
    assert [rule["alert"] for rule in rules()] == re.findall(r"^### (Dreamlake\w+)$", PAGE, re.MULTILINE)
    for rule in rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_expressions_are_well_formed(rule: dict[str, Any]) -> None:
    """As far as can be said without Prometheus: brackets close, ranges are durations, selectors are of the form
    `label="value"` with labels that the page has for the metric."""
    expression = re.sub(r'"[^"]*"', '""', rule["expr"])
    stack = []
    for char in expression:
        if char in "([{":
            stack.append(char)
        elif char in ")]}":
            assert stack and stack.pop() + char in ("()", "[]", "{}")
    assert stack == []
    assert all(re.fullmatch(r"\d+[smhd]", duration) for duration in re.findall(r"\[(.*?)\]", expression))
    functions = set(re.findall(r"\b([a-z_]+)\(", expression))
    assert functions <= {"sum", "max", "rate", "increase", "min_over_time"} | {"code", "by"}
    for metric, selector in re.findall(r"(dreamlake_\w+)\{(.*?)\}", rule["expr"]):
        labels = re.search(rf"`{metric}\{{([^}}]*)\}}`", PAGE)
        assert labels, metric
        for part in re.findall(r'(\w+)(?:=~|!~|!=|=)"[^"]*"', selector):
            assert part in labels[1].split(", "), (metric, part)


def test_settings_and_commands_on_the_page_exist() -> None:
    settings = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | {"DREAMLAKE_POSTGRES_URL"}
    both = PAGE + UPGRADING
    named = set(re.findall(r"\bDREAMLAKE_[A-Z_]+\b", both))
    assert named and named <= settings
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    used = set(re.findall(r"[`(]dreamlake ([a-z]+)", both))
    assert {"fsck", "rebuild", "retry", "token", "env"} <= used <= commands


def test_the_readme_leads_there() -> None:
    assert "docs/operations.md" in (ROOT / "README.md").read_text()
