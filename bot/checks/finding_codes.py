"""Types of the tables behind findings: the text of a finding, and its row in `docs/checks.md`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.models import Verdict

NO_FIX = "Nothing to do."


@dataclass(frozen=True, slots=True)
class FindingTemplate:
    """Verdict and texts of one finding code.

    The texts hold {placeholders} that the check fills in.
    """

    verdict: Verdict
    summary: str
    remediation: str = ""


@dataclass(frozen=True, slots=True)
class FindingCode:
    """Row of one finding code in `docs/checks.md`: meaning, source and fix.

    A source is a section of an RFC, `RFC 7208 §4.6.4`, or a link in Markdown; several are separated
    by commas.
    """

    meaning: str
    source: str
    fix: str = NO_FIX
