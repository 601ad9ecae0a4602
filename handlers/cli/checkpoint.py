"""Checkpoint file of a bulk run, so that `--resume` continues where the run was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.models import Verdict
from handlers.cli.command import BadInput, ExitStatus


class Checkpoint:
    """Which lines of `source` are done: all up to one number, and some beyond it.

    The file is removed when a run completes. A run that is killed may report the lines of its
    last second twice and skips none. Raises BadInput if the file cannot be read or belongs to
    another source.
    """

    def __init__(self, file: Path | None, source: str) -> None:
        self._file, self._source = file, source
        state = _read(file, source) if file else {}
        self._through: int = state.get("through", -1)
        self._beyond: set[int] = set(state.get("beyond", ()))
        self._verdicts: list[str] = state.get("verdicts", [])
        self._bad_lines: int = state.get("bad_lines", 0)

    def restore(self, status: ExitStatus) -> None:
        """Add the verdicts and bad lines of the earlier part of the run."""
        status.verdicts.update(Verdict[name.upper()] for name in self._verdicts)
        status.bad_lines += self._bad_lines

    def is_done(self, line: int) -> bool:
        return line <= self._through or line in self._beyond

    def mark_done(self, line: int) -> None:
        self._beyond.add(line)
        while self._through + 1 in self._beyond:
            self._through += 1
            self._beyond.discard(self._through)

    def save(self, status: ExitStatus) -> None:
        """Write the file atomically."""
        if self._file is None:
            return
        state = {
            "source": self._source,
            "through": self._through,
            "beyond": sorted(self._beyond),
            "verdicts": sorted(str(verdict) for verdict in status.verdicts),
            "bad_lines": status.bad_lines,
        }
        temporary = self._file.with_name(self._file.name + ".new")
        temporary.write_text(json.dumps(state), encoding="utf-8")
        os.replace(temporary, self._file)

    def delete(self) -> None:
        """Remove the file: every line is done, so the next run starts anew."""
        if self._file:
            self._file.unlink(missing_ok=True)


def _read(file: Path, source: str) -> Mapping[str, Any]:
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise BadInput(f"{file} does not tell how far a run has come; name another file for --resume.") from None
    if not isinstance(state, dict) or state.get("source") != source:
        raise BadInput(f"{file} tells how far a run over another file has come; name another file for --resume.")
    return state
