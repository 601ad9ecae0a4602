"""Classify one refusal: category, sender address, blocklist, fault and remediation. Pure.

All sentences are our own. Only these parts of the line are returned: the line itself, an address
that parses, codes, and links to known hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from bot.bounces import smtp_codes
from bot.bounces.rule_files import CategoryTable
from bot.bounces.rules import Evidence, Listing, Receiver, Rule, RuleSet, load_rules
from bot.bounces.sender_ip import sender_address
from bot.inputs.domain_names import BadDomain, organizational_domain, parse_domain

OUTBOUND, INBOUND = "outbound", "inbound"
MAX_CHARS = 4_000  # read of one line; a reply line has at most 512 (RFC 5321 §4.5.3.1.5)
MAX_LINK_CHARS = 300
WITHOUT_OWN_LIST = ("mailbox", "connection", "relay", "greylist", "other")
UNKNOWN_RECEIVER = "The receiver"
RESOLVER_REFUSED, LIST_ENDED = "resolver-refused", "list-ended"
REMOTE_HOST = re.compile(
    r"(?:\b(?:host|to|with|via)\s|relay=|\bH=|remote-mta: ?dns; ?|talking to )"
    r"([A-Za-z0-9][A-Za-z0-9.-]{2,250}) ?[\[(:]",
    re.IGNORECASE,
)
FROM_HERE = re.compile(r"from [^\s\[]{0,200}\[[0-9A-Fa-f.:]{2,45}\]")
# Names of the sender: its address, and the client host in a log of the refusing server.
# Every branch starts with a literal of its own, so that the regex engine can skip ahead fast.
CALLERS = re.compile(
    r"from=<[^<>\s]{0,200}>|<(?<!to=<)[^<>\s]{0,200}@[^<>\s]{0,200}>|helo=<[^<>\s]{0,200}>"
    r"|reject(?:_warning)?: [A-Z]{4,8} from [^\s\[]{1,200}\[[0-9A-Fa-f.:]{2,45}\]"
    r"|H=(?<!\wH=)[^\s]{0,200} ?(?:\([^)]{0,100}\) )?\[[0-9A-Fa-f.:]{2,45}\](?::\d{1,5})?"
    r"(?= (?:[A-Z]{1,4}=\S{1,200} ){0,6}(?:temporarily )?rejected)"
    r"|[Cc](?:lient|onnecting) [Hh]ost \[?[^\s\[\]]{1,200}"
)
CALLER_MARKS = ("<", "H=", "reject", "ost ")  # every match contains one of these
LOCAL_PART = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}(?=@[\w-])")  # a name such as anti.spam@ is no reason
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A refusal and what it means.

    `line` is the input, the only field with foreign text. `category` is a table of causes.toml, `cause` is
    finer; `ip` is the address of the sender, never of the receiver; `list` is a catalog id; `side`
    has to act: sender, provider (or tenant) of the sender, receiver, recipient, forwarder or nobody.
    `advice_url` has a known host or is our own. `certain` is false where only the status code
    matched. `direction` is "outbound" (they refused us) or "inbound" (we refused them).
    """

    line: str
    category: str
    ip: str | None
    list: str | None
    receiver: str | None
    smtp_code: int | None
    enhanced_code: str | None
    advice_url: str | None
    summary: str
    remediation: str
    side: str
    cause: str
    certain: bool = True
    direction: str = OUTBOUND


@lru_cache(maxsize=1_024)
def explain(line: str, status: str | None = None, remote_host: str | None = None) -> Bounce:
    """Classify the refusal in `line`; text that matches no rule gets the category `other`.

    `status` and `remote_host` are the fields of a delivery report: the code if the line has none,
    and the server that refused.
    """
    text = sanitize_line(line)
    ruleset = load_rules()
    evidence = Evidence(
        ruleset.normalizer.parse_text(_without_callers(text, remote_host)),
        smtp_codes.smtp_code(text),
        smtp_codes.enhanced_code(text) or (smtp_codes.enhanced_code(status) if status else None),
    )
    receiver = ruleset.receivers.first_match(evidence)
    return _build_bounce(ruleset, text, _with_receiver(evidence, receiver), receiver, remote_host)


@lru_cache(maxsize=4_096)
def receiver_of(host: str | None) -> str | None:
    """The receiver that a host belongs to, by its own name if it is known, else its registered domain."""
    if not host:
        return None
    ruleset = load_rules()
    receiver = ruleset.receivers.first_match(Evidence(ruleset.normalizer.parse_text(host[:255])))
    return receiver.name if receiver else _organization(host)


def sanitize_line(line: str) -> str:
    """The line made safe to print: no control or bidi characters, at most `MAX_CHARS` long."""
    text = line.strip()[:MAX_CHARS]
    return text if text.isascii() and text.isprintable() else UNPRINTABLE.sub(" ", text)


def bounce_to_json(bounce: Bounce) -> dict[str, Any]:
    """The JSON object of the report format, with exactly its keys."""
    return {
        "line": bounce.line,
        "cause": bounce.cause,
        "side": bounce.side,
        "direction": bounce.direction,
        "category": bounce.category,
        "ip": bounce.ip,
        "list": bounce.list,
        "receiver": bounce.receiver,
        "smtp_code": bounce.smtp_code,
        "enhanced_code": bounce.enhanced_code,
        "advice_url": bounce.advice_url,
        "says": bounce.summary,
    }


OUR_SUMMARY = "Your server refused mail from {address}: {cause}."
OUR_REMEDIATION = (
    "Nothing to fix if this is unwanted mail. If you expect mail from there, allow {address} on your server, or tell"
    " the sender the reason."
)


def as_our_refusal(bounce: Bounce, client: str | None) -> Bounce:
    """The verdict as the admin of the refusing server sees it; `client` is the address that was refused."""
    ruleset = load_rules()
    cause = ruleset.causes.get(bounce.cause)
    list_name = ruleset.list_name(bounce.list) if bounce.list else "the list"
    is_ours = bool(cause and cause.summary_inbound)
    label = f"{ruleset.label(bounce.cause)} ({list_name})" if bounce.list else ruleset.label(bounce.cause)
    ip = client or bounce.ip
    values = {"address": ip or "the sending address", "list": list_name, "cause": label}
    return replace(
        bounce,
        ip=ip,
        direction=INBOUND,
        receiver=None,
        side="you" if is_ours else "sender",
        summary=(cause.summary_inbound if cause and is_ours else OUR_SUMMARY).format_map(values),
        remediation=(cause.remediation_inbound if cause and is_ours else OUR_REMEDIATION).format_map(values),
    )


@dataclass(frozen=True, slots=True)
class _Match:
    """The matched rule and the listing it names."""

    rule: Rule
    listing: Listing | None
    certain: bool


def _build_bounce(
    ruleset: RuleSet, line: str, evidence: Evidence, receiver: Receiver | None, server: str | None
) -> Bounce:
    match = _match(ruleset, line, evidence)
    rule, listing = match.rule, match.listing
    if listing and listing.ended and rule.cause != RESOLVER_REFUSED:
        rule = _rule_of_cause(ruleset, LIST_ENDED, rule)
    sender = sender_address(line)
    ip = str(sender) if sender else None
    list_id = rule.list or (listing.id if listing else _own_list(rule, receiver))
    values = _template_values(rule, listing, receiver, ip)
    category = ruleset.categories[rule.category]
    return Bounce(
        line=line,
        category=rule.category,
        ip=ip,
        list=list_id,
        receiver=values["name"] or _organization(server or remote_host(line)),
        smtp_code=evidence.smtp_code,
        enhanced_code=evidence.enhanced_code,
        advice_url=_known_link(line, ruleset.link_hosts) or _advice_page(rule, listing, receiver, ip),
        summary=_fill(rule.summary or _summary_template(category, listing), values),
        remediation=_fill(_remediation_template(rule, listing, category, _is_temporary(evidence)), values),
        side=rule.side or category.side,
        cause=rule.cause or rule.category,
        certain=match.certain,
    )


def _rule_of_cause(ruleset: RuleSet, cause: str, rule: Rule) -> Rule:
    """The rule with the texts of another cause."""
    table = ruleset.causes[cause]
    return replace(rule, cause=cause, side=table.side, summary=table.summary, remediation=table.remediation, page="")


def _match(ruleset: RuleSet, line: str, evidence: Evidence) -> _Match:
    """Match by precedence: codes, listings, wordings, then the status code alone."""
    listing = ruleset.listings.first_match(evidence)
    if rule := ruleset.codes.first_match(evidence):
        listing_of_rule = (
            listing if rule.list in (None, listing.id if listing else None) else ruleset.find_listing(rule.list or "")
        )
        return _Match(rule, listing_of_rule, certain=True)
    if listing:
        return _Match(Rule(listing.when, listing.category), listing, certain=True)
    reason = LOCAL_PART.sub(" ", smtp_codes.reason(line))
    masked = smtp_codes.mask_addresses(smtp_codes.strip_links(reason))
    masked_evidence = _with_text(ruleset, evidence, masked)
    rule = ruleset.wordings.first_match(masked_evidence)
    if rule is None and masked != reason:
        rule = ruleset.wordings.first_match(_with_text(ruleset, evidence, reason))
    if rule:
        return _Match(rule, None, certain=True)
    rule = ruleset.statuses.first_match(masked_evidence)
    assert rule is not None  # the last [[status]] has no condition
    return _Match(rule, None, certain=False)


def _with_text(ruleset: RuleSet, evidence: Evidence, text: str) -> Evidence:
    return Evidence(ruleset.normalizer.parse_text(text), evidence.smtp_code, evidence.enhanced_code, evidence.receiver)


def _with_receiver(evidence: Evidence, receiver: Receiver | None) -> Evidence:
    name = receiver.name if receiver else None
    return Evidence(evidence.text, evidence.smtp_code, evidence.enhanced_code, name)


def _without_callers(line: str, remote_host: str | None) -> str:
    """The line without names of the sender, and with the refusing host of a delivery report."""
    text = CALLERS.sub(" ", line) if any(mark in line for mark in CALLER_MARKS) else line
    return f"{text} {remote_host[:255]}" if remote_host else text


def _own_list(rule: Rule, receiver: Receiver | None) -> str | None:
    if receiver is None or rule.category in WITHOUT_OWN_LIST:
        return None
    if receiver.decides and rule.category not in receiver.decides:
        return None
    return receiver.list


def _template_values(rule: Rule, listing: Listing | None, receiver: Receiver | None, ip: str | None) -> dict[str, str]:
    name = rule.receiver or (receiver.name if receiver else "")
    return {
        "name": name,
        "who": name or UNKNOWN_RECEIVER,
        "whom": name or UNKNOWN_RECEIVER.lower(),
        "address": ip or "the sending address",
        "list": listing.name if listing else "a blocklist that it does not name",
    }


def _summary_template(category: CategoryTable, listing: Listing | None) -> str:
    if listing and listing.entry_type != "ip" and category.summary_domain:
        return category.summary_domain
    return category.summary_listed if listing and category.summary_listed else category.summary


UNNAMED_LIST_REMEDIATION = (
    "Check {address} against the lists, fix what the entry names, and ask the recipient's postmaster which list it was."
)


def _remediation_template(rule: Rule, listing: Listing | None, category: CategoryTable, is_temporary: bool) -> str:
    """The step of the rule, the list or the category; after a 4xx reply the one for that, where there is one."""
    if is_temporary and listing is None and (temporary := _temporary_template(rule, category)):
        return temporary
    if rule.remediation or listing is None:
        return rule.remediation or (UNNAMED_LIST_REMEDIATION if rule.category == "blocklist" else category.remediation)
    is_domain = listing.entry_type != "ip" and category.remediation_domain
    return listing.remediation or (category.remediation_domain if is_domain else category.remediation)


def _temporary_template(rule: Rule, category: CategoryTable) -> str:
    return rule.remediation_temporary or ("" if rule.remediation else category.remediation_temporary)


def _is_temporary(evidence: Evidence) -> bool:
    code = str(evidence.smtp_code or "") or evidence.enhanced_code or ""
    return code.startswith("4")


def _fill(template: str, values: Mapping[str, str]) -> str:
    return template.format_map(values)


def _known_link(line: str, hosts: frozenset[str]) -> str | None:
    """The first http(s) link to a known host, without a port or unusual characters."""
    for link in smtp_codes.links(line)[:20]:
        url = link if "//" in link[:8] else f"http://{link}"
        if len(url) > MAX_LINK_CHARS or not url.isascii() or set(url) & set("[]{}|^`") or url.endswith(("=", "?")):
            continue
        parts = urlsplit(url)
        if parts.netloc.lower() in hosts and parts.scheme.lower() in ("http", "https"):
            return url
    return None


def _advice_page(rule: Rule, listing: Listing | None, receiver: Receiver | None, ip: str | None) -> str | None:
    pages = (rule.page, listing.page if listing else "", receiver.page if receiver else "")
    page = next((page for page in pages if page), None)
    if page and "{ip}" in page and not ip:
        return page.partition("?")[0].replace("{ip}", "")  # a query with nothing in it finds nothing
    return page.replace("{ip}", ip or "") if page else None


def remote_host(line: str) -> str | None:
    """The name of the server that refused, as the line writes it."""
    match = REMOTE_HOST.search(FROM_HERE.sub(" ", line))
    return match[1] if match else None


@lru_cache(maxsize=4_096)
def _organization(host: str | None) -> str | None:
    """The registered domain of the host that refused, None if it is not a public domain."""
    try:
        return organizational_domain(parse_domain(host)) if host else None
    except BadDomain:
        return None
