"""Generates `docs/lists.md`: every blocklist with its terms, and how a catalogue of one's own is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bot.checks.dnsbl import load
from bot.checks.dnsbl.catalog import Blocklist, Kind
from bot.checks.dnsbl.messages import REASONS
from bot.checks.dnsbl.return_codes import Removal, RemovalParty, ReturnCode, Severity

EXAMPLE = Path(__file__).parents[1] / "docs" / "own-lists.toml"
OPENING = """# Lists

The lists that mailcheck asks, with the terms of their operators. Read the terms before you use a list: most are free
for small, non-commercial use only. A list with a daily limit is asked no more often than its operator allows, by
checks and watches together. The date is that of the copy of the page that was read; `mailcheck doctor` warns
after 18 months.
"""
HEADINGS = {
    Severity.HIGH: "Large receivers reject",
    Severity.MEDIUM: "Many filters count it",
    Severity.LOW: "Few servers reject, some filters count it",
    Severity.NONE: "Shown, never an alert",
}
HEAD = "| list | holds | free use | commercial use | key | queries a day | a listing means | who removes | read |\n"
KIND_NAMES = {Kind.IP4: "IPv4", Kind.IP6: "IPv6", Kind.DOMAIN: "domains", Kind.EMAIL: "mail addresses"}
WHO_REMOVES: Mapping[RemovalParty, str] = {
    RemovalParty.OWNER: "the operator, on request",
    RemovalParty.PROVIDER: "the operator, on request of the network's owner",
    RemovalParty.SELF_SERVICE: "you, by a form",
    RemovalParty.AUTOMATIC: "the entry expires by itself",
    RemovalParty.DO_NOT_PAY: "the entry expires by itself: do not pay",
    RemovalParty.NOBODY: "none",
}
OWN_LISTS = """## Lists of your own

`MAILCHECK_BLOCKLISTS` names a TOML file. With `extends = "builtin"` it adds to the lists above: `disable` leaves some
out, a table with the id of a built-in list changes the keys that it has, and a table with another id adds a list.
Without `extends` the file replaces the built-in catalog. `mailcheck lists validate FILE` names every problem with its
table and key. Keys of lists are never in the file: `key = "our-list"` is the value of `MAILCHECK_KEY_OUR_LIST`, which
is not shown, logged, stored or exported. The keys of a table are explained at the top of
[`bot/checks/dnsbl/catalog.toml`](../bot/checks/dnsbl/catalog.toml). An example, [`own-lists.toml`](own-lists.toml):

```toml
{example}```
"""
UNANSWERED = """## Where a list gives no answer

| `facts.reason` | what it means | what to do |
|---|---|---|
"""


def page() -> str:
    """The page in Markdown."""
    lists = load().lists
    sections = (_section(severity, [item for item in lists if item.severity is severity]) for severity in Severity)
    return "\n".join((OPENING, *sections, _own_lists(), _reasons()))


def _own_lists() -> str:
    return OWN_LISTS.format(example=EXAMPLE.read_text(encoding="utf-8"))


def _section(severity: Severity, lists: Iterable[Blocklist]) -> str:
    rows = "".join(f"| {' | '.join(_cells(blocklist))} |\n" for blocklist in lists)
    return f"## {HEADINGS[severity]}\n\n{HEAD}|{'---|' * 9}\n{rows}"


def _cells(blocklist: Blocklist) -> tuple[str, ...]:
    kinds = ", ".join(name for kind, name in KIND_NAMES.items() if kind in blocklist.kinds)
    prefix = f" (/{blocklist.ip6_prefix})" if blocklist.ip6_prefix else ""
    name = f"[{blocklist.name}]({blocklist.source})" if blocklist.source else blocklist.name
    return (
        f"{name} `{blocklist.zone}`" + ("" if blocklist.enabled else ", not enabled"),
        kinds + prefix,
        blocklist.free_use,
        blocklist.commercial or "not published",
        _key(blocklist),
        _per_day(blocklist),
        "; ".join(dict.fromkeys(code.meaning for code in _codes(blocklist) if code.effect.is_answer)),
        _removal(blocklist.removal),
        str(blocklist.source_seen or ""),
    )


def _key(blocklist: Blocklist) -> str:
    if not blocklist.key:
        return "no"
    return f"`{blocklist.key}`" + ("" if blocklist.needs_key else ", optional")


def _per_day(blocklist: Blocklist) -> str:
    if not blocklist.per_day:
        return "not published"
    return f"{blocklist.per_day:,}" + (f"; {blocklist.key_per_day:,} with a free key" if blocklist.key_per_day else "")


def _codes(blocklist: Blocklist) -> Iterable[ReturnCode]:
    codes = blocklist.codes
    yield from (codes.bits or codes.exact).values()
    yield from (code for _, code in codes.patterns)


def _removal(removal: Removal) -> str:
    who = WHO_REMOVES[removal.party] + (f"; ends {removal.expiry}" if removal.expiry else "")
    return f"{who}: {removal.note}" if removal.note else who


def _reasons() -> str:
    rows = (
        f"| `{reason}` | {meaning} | {step.format(operator='the operator')} |\n"
        for reason, (meaning, step) in REASONS.items()
    )
    return UNANSWERED + "".join(rows)


if __name__ == "__main__":
    print(page(), end="")
