"""The shape of what a check can say: an outcome for a person, and the row that explains its code in `docs/checks.md`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.models import Verdict

NOTHING = "Nothing to do."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one code says of a target. The texts hold {words} that the check fills in."""

    verdict: Verdict
    says: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means, whoever it is about, what says so, and how it is put right.

    A source is a section of an RFC, `RFC 7208 §4.6.4`, or a link in Markdown; several are separated by commas.
    """

    means: str
    source: str
    fix: str = NOTHING
