"""The work of the embedded stack: how many files are how far, as BSS's metrics tell it."""

from __future__ import annotations

from typing import NamedTuple

import httpx

from .local import local_http


class Work(NamedTuple):
    """Files by status, those that there are; and how many of the queued were put off, by the code of the reason."""

    files: dict[str, int]
    waiting: dict[str, int]


def work_of(bss_url: str) -> Work | None:
    """What there was to do within the last ten seconds; None when BSS does not tell."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        answer = local_http().get(f"{bss_url}/metrics")
    except httpx.TransportError:
        return None
    if not answer.is_success:
        return None
    counts: dict[str, dict[str, int]] = {"dreamlake_records": {}, "dreamlake_records_waiting": {}}
    for family in text_string_to_metric_families(answer.text):
        if family.name in counts:
            for sample in family.samples:
                if sample.value:
                    counts[family.name] |= {label: int(sample.value) for label in sample.labels.values()}
    return Work(*counts.values())
