"""Dagster's instance configuration: one template (dagster.yaml beside this module), and what differs between
installations, which follows from the settings `launcher`, `slots` and `workers`."""

from __future__ import annotations

from pathlib import Path

from .settings import Settings
from .slots import cancel_timeout_seconds, most_runs, start_timeout_seconds

_TEMPLATE = Path(__file__).with_name("dagster.yaml")


def instance_yaml(settings: Settings) -> str:
    """The text of `$DAGSTER_HOME/dagster.yaml`. It holds no secret: Dagster reads those from the environment."""
    from jinja2 import Environment, StrictUndefined

    # Numbers and words of our own alone are put into it: nothing has to be escaped.
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    return template.from_string(_TEMPLATE.read_text()).render(
        launcher=settings.launcher,
        slots=settings.slots,
        workers=settings.workers,
        most_runs=most_runs(settings.slots, settings.launcher),
        start_timeout_seconds=start_timeout_seconds(settings.slots, settings.launcher),
        cancel_timeout_seconds=cancel_timeout_seconds(settings.launcher),
    )
