"""One refusal, explained: what it is about, whose address and whose list, whose fault, and the one next step.

Pure: reads the line and the rules, asks nobody. What it says is made of sentences of ours; the only things of the
line that come back are the line itself, an address that parses, codes, and links to hosts that we know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from bot.bounces import smtp_codes
from bot.bounces.rules import Category, Evidence, Listing, Receiver, Rule, Rules, rules
from bot.bounces.sender_ip import sender_address
from bot.inputs.domain_names import BadName, organisational_domain, read_domain

MOST_CHARACTERS = 4_000  # of a line that are read; a reply line has at most 512 (RFC 5321, 4.5.3.1.5)
MOST_LINK_CHARACTERS = 300
NO_LIST_OF_THEIR_OWN = ("mailbox", "connection", "relay", "greylist")
NOBODY = "The receiver"
REMOTE_HOST = re.compile(
    r"(?:\b(?:host|to|with|via)\s|relay=|\bH=|remote-mta: ?dns; ?|talking to )"
    r"([A-Za-z0-9][A-Za-z0-9.-]{2,250}) ?[\[(:]",
    re.IGNORECASE,
)
FROM_HERE = re.compile(r"from [^\s\[]{0,200}\[[0-9A-Fa-f.:]{2,45}\]")
# Names that are the sender's: its address, and the host that called in where the log is of the server that refused.
# Every branch begins with a letter of its own, so that a line is looked through at the speed of C.
CALLERS = re.compile(
    r"from=<[^<>\s]{0,200}>|<(?<!to=<)[^<>\s]{0,200}@[^<>\s]{0,200}>|helo=<[^<>\s]{0,200}>"
    r"|reject(?:_warning)?: [A-Z]{4,8} from [^\s\[]{1,200}\[[0-9A-Fa-f.:]{2,45}\]"
    r"|H=(?<!\wH=)[^\s]{0,200} ?(?:\([^)]{0,100}\) )?\[[0-9A-Fa-f.:]{2,45}\](?::\d{1,5})?"
    r"(?= (?:[A-Z]{1,4}=\S{1,200} ){0,6}(?:temporarily )?rejected)"
    r"|[Cc](?:lient|onnecting) [Hh]ost \[?[^\s\[\]]{1,200}"
)
MARKS_OF_CALLERS = ("<", "H=", "reject", "ost ")  # one of which every match of it has
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A refusal and what it means.

    `line` is what was pasted, the one field that a stranger wrote. `category` is one of `CODES`; `ip` is the sender's
    address, never the receiver's; `list` a catalogue id; `at_fault` is sender, network (its provider or neighbours),
    receiver, recipient or nobody. `advice_url` has a host that we know, or is made by us. `certain` is false where
    no rule fitted and only the status code spoke.
    """

    line: str
    category: str
    ip: str | None
    list: str | None
    receiver: str | None
    smtp_code: int | None
    enhanced_code: str | None
    advice_url: str | None
    says: str
    step: str
    at_fault: str
    certain: bool = True


JSON_KEYS = ("line", "category", "ip", "list", "receiver", "smtp_code", "enhanced_code", "advice_url", "says")
CODES: Mapping[str, str] = {name: category.meaning for name, category in rules().categories.items()}


@lru_cache(maxsize=1_024)
def explain(line: str, status: str | None = None, remote_host: str | None = None) -> Bounce:
    """What the refusal in `line` means; any text has an answer, `other` where it says nothing that is known.

    `status` and `remote_host` come from a delivery report that has them apart: the code where the line has none, and
    the server that refused.
    """
    text = shown(line)
    known = rules()
    evidence = Evidence(
        known.speller.text(_without_callers(text, remote_host)),
        smtp_codes.smtp_code(text),
        smtp_codes.enhanced_code(text) or (smtp_codes.enhanced_code(status) if status else None),
    )
    receiver = known.receivers.first(evidence)
    return _explained(known, text, _of(evidence, receiver), receiver, remote_host)


def shown(line: str) -> str:
    """The line as it may be shown: one line without control and direction characters, cut at `MOST_CHARACTERS`."""
    text = line.strip()[:MOST_CHARACTERS]
    return text if text.isascii() and text.isprintable() else UNPRINTABLE.sub(" ", text)


def bounce_to_json(bounce: Bounce) -> dict[str, Any]:
    """The object of the contract: exactly its keys."""
    return {key: getattr(bounce, key) for key in JSON_KEYS}


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A rule with what surrounds it."""

    rule: Rule
    listing: Listing | None
    certain: bool


def _explained(known: Rules, line: str, evidence: Evidence, receiver: Receiver | None, remote: str | None) -> Bounce:
    meaning = _meaning(known, line, evidence)
    rule, listing = meaning.rule, meaning.listing
    address = sender_address(line)
    ip = str(address) if address else None
    list_id = rule.list or (listing.id if listing else _own_list(rule, receiver))
    words = _words(rule, listing, receiver, ip)
    category = known.categories[rule.category]
    return Bounce(
        line=line,
        category=rule.category,
        ip=ip,
        list=list_id,
        receiver=words["name"] or _organisation(remote or _remote_host(line)),
        smtp_code=evidence.smtp_code,
        enhanced_code=evidence.enhanced_code,
        advice_url=_known_link(line, known.link_hosts) or _page(rule, listing, receiver, ip),
        says=_filled(rule.says or _says(category, listing), words),
        step=_filled(_step(rule, listing, category), words),
        at_fault="receiver" if listing and listing.ended else rule.fault or category.fault,
        certain=meaning.certain,
    )


def _meaning(known: Rules, line: str, evidence: Evidence) -> _Meaning:
    """Codes before lists, lists before words, words before what the status code alone says."""
    listing = known.listings.first(evidence)
    if rule := known.codes.first(evidence):
        named = listing if rule.list in (None, listing.id if listing else None) else known.list_named(rule.list or "")
        return _Meaning(rule, named, certain=True)
    if listing:
        return _Meaning(Rule(listing.when, listing.category), listing, certain=True)
    reason = smtp_codes.reason(line)
    alike = smtp_codes.with_addresses_alike(smtp_codes.without_links(reason))
    bare = _reworded(known, evidence, alike)
    rule = known.wordings.first(bare)
    if rule is None and alike != reason:
        rule = known.wordings.first(_reworded(known, evidence, reason))
    if rule:
        return _Meaning(rule, None, certain=True)
    rule = known.statuses.first(bare)
    assert rule is not None  # the last [[status]] asks nothing
    return _Meaning(rule, None, certain=False)


def _reworded(known: Rules, evidence: Evidence, text: str) -> Evidence:
    return Evidence(known.speller.text(text), evidence.smtp_code, evidence.enhanced_code, evidence.receiver)


def _of(evidence: Evidence, receiver: Receiver | None) -> Evidence:
    name = receiver.name if receiver else None
    return Evidence(evidence.text, evidence.smtp_code, evidence.enhanced_code, name)


def _without_callers(line: str, remote_host: str | None) -> str:
    """The line for who refused, and why: names of the sender say nothing of that, the host that a report names does."""
    without = CALLERS.sub(" ", line) if any(mark in line for mark in MARKS_OF_CALLERS) else line
    return f"{without} {remote_host[:255]}" if remote_host else without


def _own_list(rule: Rule, receiver: Receiver | None) -> str | None:
    if receiver is None or rule.category in NO_LIST_OF_THEIR_OWN:
        return None
    if receiver.decides and rule.category not in receiver.decides:
        return None
    return receiver.list


def _words(rule: Rule, listing: Listing | None, receiver: Receiver | None, ip: str | None) -> dict[str, str]:
    name = rule.receiver or (receiver.name if receiver else "")
    return {
        "name": name,
        "who": name or NOBODY,
        "whom": name or NOBODY.lower(),
        "address": ip or "the sending address",
        "list": listing.name if listing else "a blocklist that it does not name",
    }


def _says(category: Category, listing: Listing | None) -> str:
    if listing and listing.ended:
        return ENDED
    if listing and listing.about != "ip" and category.says_domain:
        return category.says_domain
    return category.says_listed if listing and category.says_listed else category.says


ENDED = "{who} refused the mail because it still asks {list}, a list that has ended; what it answers means nothing."
ENDED_STEP = "Send this line to the recipient's postmaster and ask them to stop using {list}."
UNNAMED_STEP = (
    "Check {address} against the lists, fix what the entry names, and ask the recipient's postmaster which list it was."
)


def _step(rule: Rule, listing: Listing | None, category: Category) -> str:
    if rule.step or listing is None:
        return rule.step or (UNNAMED_STEP if rule.category == "blocklist" else category.step)
    if listing.ended:
        return ENDED_STEP
    return listing.step or (category.step_domain if listing.about != "ip" and category.step_domain else category.step)


def _filled(template: str, words: Mapping[str, str]) -> str:
    return template.format_map(words)


def _known_link(line: str, hosts: frozenset[str]) -> str | None:
    """The first link of the line that leads to a host that we know, by http or https and nothing odd in it."""
    for link in smtp_codes.links(line)[:20]:
        url = link if "//" in link[:8] else f"http://{link}"
        if len(url) > MOST_LINK_CHARACTERS or not url.isascii() or set(url) & set("[]{}|^`"):
            continue
        parts = urlsplit(url)
        if parts.netloc.lower() in hosts and parts.scheme.lower() in ("http", "https"):
            return url
    return None


def _page(rule: Rule, listing: Listing | None, receiver: Receiver | None, ip: str | None) -> str | None:
    pages = (rule.page, listing.page if listing else "", receiver.page if receiver else "")
    page = next((page for page in pages if page), None)
    return page.replace("{ip}", ip or "") if page else None


def _remote_host(line: str) -> str | None:
    match = REMOTE_HOST.search(FROM_HERE.sub(" ", line))
    return match[1] if match else None


@lru_cache(maxsize=4_096)
def _organisation(host: str | None) -> str | None:
    """The registered domain of the host that refused, or None where its name is no domain of the internet."""
    try:
        return organisational_domain(read_domain(host)) if host else None
    except BadName:
        return None
