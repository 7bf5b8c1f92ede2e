"""`dreamlake dagster-yaml`: Dagster's instance configuration for an installation of one's own."""

from __future__ import annotations

import typer


def dagster_yaml() -> None:
    """Print Dagster's instance configuration: dreamlake dagster-yaml > $DAGSTER_HOME/dagster.yaml.

    It follows from DREAMLAKE_LAUNCHER (where runs work), DREAMLAKE_SLOTS (how many at a time) and DREAMLAKE_WORKERS. It
    holds no secret.
    """
    from ..dagsterhome import instance_yaml
    from ..settings import Settings

    typer.echo(instance_yaml(Settings()), nl=False)
