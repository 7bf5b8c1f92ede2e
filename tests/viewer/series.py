"""What BSS answers for a label track: curves, states, and a gap from 3 to 3.5 s."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

TEXTS = ("state", "phase")


def answer_series(page: Page, asked: list[dict[str, list[str]]] | None = None, *, seconds: float = 8.0) -> None:
    """Answer `/series` and `/rows` of all label tracks of a page; `asked` has the queries of the first."""

    def series(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        if asked is not None:
            asked.append(query)
        route.fulfill(json=_series(query))

    def rows(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        first = max(0, int(float(query.get("at", ["0"])[0]) / 0.02) - 25)
        numbers = range(first, min(first + 50, int(seconds / 0.02)))
        route.fulfill(
            json={
                "fields": ["time", "q1", "q2"],
                "rows": [[n * 0.02, math.sin(n * 0.02), math.cos(n * 0.02)] for n in numbers],
                "times": [n * 0.02 for n in numbers],
                "first": first,
            }
        )

    page.route("**/series/**", series)
    page.route("**/rows/**", rows)


def _series(query: dict[str, list[str]]) -> dict[str, Any]:
    start, end = float(query["from"][0]), float(query["to"][0])
    count = int(query["width"][0])
    times = [start + (end - start) * at / count for at in range(count)]
    names = dict.fromkeys(query.get("fields", ["q1"]))
    curves = {
        name: [None if 3 <= time < 3.5 else math.sin(time * (place + 1)) for time in times]
        for place, name in enumerate(names)
        if name not in TEXTS
    }
    return {
        "start": 0.0,
        "durationSec": 8.0,
        "from": start,
        "to": end,
        "raw": False,
        "entries": 400,
        "times": times,
        "fields": {name: {"min": values, "max": values} for name, values in curves.items()},
        "marks": {
            name: [{"start": 0.0, "end": 1.5, "text": "reach"}, {"start": 1.5, "end": 4.5, "text": "grasp <b>it</b>"}]
            for name in names
            if name in TEXTS
        },
    }
