"""Figures as the tables of `docs/performance.md`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join([f"### {self.title}", "", *("| " + " | ".join(line) + " |" for line in lines), ""])


def spread(figures: Sequence[float]) -> str:
    """The median, and between which figures it lies."""
    return f"{median(figures):.1f} ({min(figures):.1f}–{max(figures):.1f})"


def ratio(figures: Sequence[float], reference: Sequence[float]) -> str:
    """The median of the ratios, round by round: what the machine did in that round cancels out."""
    ratios = [one / other for one, other in zip(figures, reference, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def percentile(figures: Sequence[float], share: float) -> float:
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def show(about: str | None, tables: Callable[[bool], Iterable[Table]]) -> None:
    """The command line of one part by itself."""
    words = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="fewer and shorter runs, to try it out")
    for table in tables(words.parse_args().quick):
        print(table, flush=True)
