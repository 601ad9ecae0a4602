"""Generates `docs/checks.md`: every finding code with its meaning, source and fix."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot import advice, doctor
from bot.bounces.rules import load_rules
from bot.checks import sender_requirements
from bot.checks.finding_codes import ANY_CHECK, FindingCode
from bot.checks.hosting_providers import providers
from bot.checks.registry import CHECKS
from bot.checks.sender_requirements.messages import RULE_TEXTS
from bot.checks.sender_requirements.rules import RECEIVERS, RULES, Requirement
from bot.models import Link

SHARED_CODES = {f"{spec.id}.{word}": code for spec in CHECKS for word, code in ANY_CHECK.items()}
SECTIONS: Mapping[str, Mapping[str, FindingCode]] = {
    **{
        spec.title: {code: row for other in CHECKS if other.title == spec.title for code, row in other.codes.items()}
        for spec in CHECKS
    },
    "Advice from the whole report": advice.CODES,
    "Sender requirements": sender_requirements.CODES,
    "`mailcheck doctor`": doctor.CODES,
}
OPENING = """# What mailcheck can find

Every finding has a stable code, `check.word-word`. Programs may rely on a code; the sentence
beside it may change.
A verdict is pass, unknown, warn or fail; what could not be checked is unknown, never pass.

Each row has a code, its meaning, the source of the rule, and the fix.
"""
SECTION_OF_AN_RFC = re.compile(r"RFC ([0-9]+)(?: §([0-9A-C][0-9.]*))?")


def page() -> str:
    """The page in Markdown."""
    described = {code for codes in SECTIONS.values() for code in codes}
    sections = {**SECTIONS, "Any check": {code: row for code, row in SHARED_CODES.items() if code not in described}}
    pages = (_section(title, codes) for title, codes in sections.items())
    return "\n".join((OPENING, *pages, _requirements(), _providers(), _bounces()))


def _section(title: str, codes: Mapping[str, FindingCode]) -> str:
    rows = (f"| `{code}` | {row.meaning} | {_linked(row.source)} | {row.fix} |\n" for code, row in codes.items())
    return f"## {title}\n\n| code | meaning | source | fix |\n|---|---|---|---|\n{''.join(rows)}"


def _linked(source: str) -> str:
    """Turn references to RFC sections into links."""
    return SECTION_OF_AN_RFC.sub(_link, source)


def _link(reference: re.Match[str]) -> str:
    number, section = reference.groups()
    kind = "section" if (section or "0")[0].isdecimal() else "appendix"
    place = f"#{kind}-{section}" if section else ""
    return f"[{reference.group()}](https://www.rfc-editor.org/rfc/rfc{number}{place})"


def _requirements() -> str:
    """Table of receiver requirements and the SMTP replies that enforce them."""
    by_rule = {
        rule.id: [
            next((_demand(demand) for demand in receiver.requirements if demand.rule == rule.id), "")
            for receiver in RECEIVERS
        ]
        for rule in RULES.values()
    }
    rows = (f"| {_capital(RULE_TEXTS[rule].label)} | {' | '.join(cells)} |\n" for rule, cells in by_rule.items())
    names = " | ".join(receiver.name for receiver in RECEIVERS)
    note = (
        "“Bulk” is required only of senders of more than about 5,000 mails a day; the replies are those in the bounces."
    )
    head = f"| rule | {names} |\n|---|{'---|' * len(RECEIVERS)}\n"
    return f"## What receivers require of senders\n\n{note}\n\n{head}{''.join(rows)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _demand(demand: Requirement) -> str:
    return ": ".join(filter(None, ("bulk" if demand.bulk else "all", ", ".join(demand.reply_codes))))


def _providers() -> str:
    rows = (
        f"| {provider.name} | {_with_link(provider.rdns_steps, provider.link)}"
        f" | {_with_link(provider.port_25, provider.port_25_link)} |\n"
        for provider in providers().values()
    )
    head = "| provider | reverse DNS | port 25 |\n|---|---|---|\n"
    return f"## Hosting providers\n\n{head}{''.join(rows)}"


def _with_link(sentence: str, link: Link | None) -> str:
    return f"{sentence} [{link.label}]({link.url})" if link else sentence


def _bounces() -> str:
    meanings = ((name, category.meaning) for name, category in load_rules().categories.items())
    rows = (f"| `{category}` | {meaning} |\n" for category, meaning in meanings)
    return f"## What a bounce is about\n\n| category | meaning |\n|---|---|\n{''.join(rows)}"


if __name__ == "__main__":
    print(page(), end="")
