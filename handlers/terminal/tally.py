"""What the exit status of a command is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.model import Report, Verdict


@dataclass(slots=True)
class Tally:
    """Counts what was seen and what could not be read."""

    verdicts: set[Verdict] = field(default_factory=set)
    bad_lines: int = 0

    def count(self, report: Report) -> None:
        self.verdicts.update([finding.verdict for finding in report.findings])

    @property
    def exit_status(self) -> int:
        """0 nothing failed, 1 something failed, 2 bad input, 3 nothing failed but something is not known."""
        if self.bad_lines:
            return 2
        if Verdict.FAIL in self.verdicts:
            return 1
        return 3 if Verdict.UNKNOWN in self.verdicts else 0
