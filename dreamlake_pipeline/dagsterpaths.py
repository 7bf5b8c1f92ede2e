"""Addresses of Dagster's pages, for all that links to them."""

from __future__ import annotations

from urllib.parse import quote


def runs_of_batch(dagster_url: str | None, partition: str | None) -> str | None:
    """The page of the runs of a batch; None where no batch or no Dagster is known."""
    if not dagster_url or not partition:
        return None
    return f"{dagster_url.rstrip('/')}/runs?q%5B0%5D={quote(f'tag:dagster/partition={partition}', safe=':/=')}"
