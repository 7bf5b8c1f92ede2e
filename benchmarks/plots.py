"""The growth curves as PNG."""

from __future__ import annotations

from pathlib import Path

from .measure import Spread
from .rows import BY_KEY


def draw_growth(costs: dict[int, list[float]], path: Path) -> None:
    """Cost per file over the number of files, with the cost at which growth would miss its target."""
    counts = sorted(costs)
    medians = [Spread.of(costs[count]).median * 1000 for count in counts]
    target = BY_KEY["growth"].target
    _draw(
        path,
        "Cost per file with no media work",
        "files in one ingest",
        "milliseconds per file",
        counts,
        medians,
        (medians[0] * target, f"{target} times the cost at {counts[0]:,} files"),
    )


def draw_ticks(ticks: dict[int, list[float]], path: Path) -> None:
    """The longest sensor tick over the number of staged objects."""
    counts = sorted(ticks)
    longest = [max(ticks[count]) for count in counts]
    _draw(path, "Longest tick with nothing new", "staged objects", "seconds", counts, longest, None)


def _draw(
    path: Path,
    title: str,
    along: str,
    up: str,
    counts: list[int],
    values: list[float],
    bound: tuple[float, str] | None,
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(counts, values, marker="o")
    for count, value in zip(counts, values, strict=True):
        axes.annotate(f"{value:.3g}", (count, value), textcoords="offset points", xytext=(4, 6))
    if bound:
        axes.axhline(bound[0], linestyle="--", linewidth=1, color="gray")
        axes.annotate(bound[1], (counts[0], bound[0]), textcoords="offset points", xytext=(0, 4), fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.margins(x=0.12)  # room for the last value
    axes.minorticks_off()
    axes.set_ylim(bottom=0, top=max([*values, bound[0] if bound else 0]) * 1.25)
    axes.set_title(title)
    axes.set_xlabel(along)
    axes.set_ylabel(up)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
