"""How far a command is, on the error stream, and only where that is a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def progress(errors: Console, total: int | None) -> Progress:
    """A bar for many things; for one thing a spinner is enough."""
    bar = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) if total != 1 else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *bar, TimeElapsedColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
