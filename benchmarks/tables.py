"""Formatting of figures and tables for `docs/performance.md`."""

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
    """Median, minimum and maximum."""
    return f"{median(figures):.1f} ({min(figures):.1f}–{max(figures):.1f})"


def ratio(figures: Sequence[float], reference: Sequence[float]) -> str:
    """Median of the ratios within each round, so that load of the machine cancels out."""
    ratios = [value / base for value, base in zip(figures, reference, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def percentile(figures: Sequence[float], share: float) -> float:
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def show(description: str | None, tables: Callable[[bool], Iterable[Table]]) -> None:
    """Command line of a single benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs, to try it out")
    for table in tables(parser.parse_args().quick):
        print(table, flush=True)
