"""The words of findings: one row per finding code, in reports and in `docs/checks.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.models import Verdict

NO_FIX = "Nothing to do."


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingText:
    """Verdict and sentences of a finding; its {placeholders} are filled in by the check.

    Where a check grades its findings, `verdict` is the worst one.
    """

    verdict: Verdict
    summary: str
    remediation: str = ""

    def fill(self, values: Mapping[str, object]) -> tuple[str, str]:
        """Return summary and remediation with their placeholders filled in."""
        return self.summary.format_map(values), self.remediation.format_map(values)


@dataclass(frozen=True, slots=True)
class FindingCode(FindingText):
    """A finding code: its row in `docs/checks.md`, and what a report says.

    A source is a section of an RFC, `RFC 7208 §4.6.4`, or a link in Markdown; several are separated
    by commas. Without a `fix` of its own, the page shows the remediation. `variants` are texts for
    special cases of the code.
    """

    meaning: str
    source: str
    fix: str = ""
    variants: Mapping[str, FindingText] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if not self.fix:
            object.__setattr__(self, "fix", self.remediation or NO_FIX)

    def variant(self, name: str) -> FindingText:
        """Return the text of a special case, else the general one."""
        return self.variants.get(name, self)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a published text: the key of a phrase of its check, and the values that fill it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)

    def phrase(self, phrases: Mapping[str, str]) -> str:
        return phrases[self.key].format_map(self.values)


class BadText(ValueError):
    """A published text breaks its format."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key, values)
        self.problem = Problem(key, values)


# Findings that the runner makes about any check, by the part of the code after the dot.
ANY_CHECK: Mapping[str, FindingCode] = {
    "no-answer": FindingCode(
        "DNS did not answer, or not in time, so the result is not known.",
        "RFC 1035 §4.2",
        "Check again; if it repeats, run `mailcheck doctor`.",
        verdict=Verdict.UNKNOWN,
        summary="This check did not finish within {seconds} seconds, so its result is not known.",
        remediation="Check again.",
    ),
    "broken": FindingCode(
        "The check failed with an internal error.",
        "mailcheck itself",
        "Tell the admin of the bot; its log has the reason.",
        verdict=Verdict.UNKNOWN,
        summary="This check failed with an internal error, so its result is not known.",
        remediation="Tell the admin of the bot; its log has the reason.",
    ),
}
