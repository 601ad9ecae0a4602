"""How far a long run has come, in a small file, so that it can go on where it was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.models import Verdict
from handlers.cli.command import BadQuestion, Tally


class Journal:
    """Knows which lines of `source` are done: all up to one, and a few beyond it that were quicker than an earlier one.

    A run that ends by itself removes its file. One that is killed may report the lines of its last second twice, and leaves
    none out. Raises BadQuestion where the file cannot be read or tells of another source.
    """

    def __init__(self, file: Path | None, source: str) -> None:
        self._file, self._source = file, source
        kept = _read(file, source) if file else {}
        self._through: int = kept.get("through", -1)
        self._beyond: set[int] = set(kept.get("beyond", ()))
        self._verdicts: list[str] = kept.get("verdicts", [])
        self._bad_lines: int = kept.get("bad_lines", 0)

    def recall(self, tally: Tally) -> None:
        """What the exit status owes to the lines that are done."""
        tally.verdicts.update(Verdict[name.upper()] for name in self._verdicts)
        tally.bad_lines += self._bad_lines

    def has(self, line: int) -> bool:
        return line <= self._through or line in self._beyond

    def finish(self, line: int) -> None:
        self._beyond.add(line)
        while self._through + 1 in self._beyond:
            self._through += 1
            self._beyond.discard(self._through)

    def save(self, tally: Tally) -> None:
        """On the disk, whole: the file is the old one or the new one at any moment."""
        if self._file is None:
            return
        state = {
            "source": self._source,
            "through": self._through,
            "beyond": sorted(self._beyond),
            "verdicts": sorted(str(verdict) for verdict in tally.verdicts),
            "bad_lines": tally.bad_lines,
        }
        beside = self._file.with_name(self._file.name + ".new")
        beside.write_text(json.dumps(state), encoding="utf-8")
        os.replace(beside, self._file)

    def end(self) -> None:
        """Every line is done, so the next run starts anew."""
        if self._file:
            self._file.unlink(missing_ok=True)


def _read(file: Path, source: str) -> Mapping[str, Any]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise BadQuestion(f"{file} does not tell how far a run has come; name another file for --resume.") from None
    if not isinstance(kept, dict) or kept.get("source") != source:
        raise BadQuestion(f"{file} tells how far a run over another file has come; name another file for --resume.")
    return kept
