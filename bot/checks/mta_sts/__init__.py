"""MTA-STS: whether senders are told to deliver over verified TLS only, and whether they then still can (RFC 8461)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import ask, exchanges, readable
from bot.checks.mta_sts.policy import Policy, Unusable, find_records, read_id, read_policy
from bot.inputs.domain_names import shown
from bot.models import Finding, Lookup, LookupFailed, Order, Verdict
from bot.probe_results import CERTIFICATE, WORDS, Fetch, Page, Trouble, VisitFailed

CODES: Mapping[str, Code] = {
    "mta-sts.ok": Code(
        "A policy in mode enforce applies, and it names every mail server of the domain.", "RFC 8461 §5"
    ),
    "mta-sts.testing": Code(
        "The policy is in mode testing: senders report what would fail, and deliver as ever.",
        "RFC 8461 §5",
        "Set the mode to enforce once the TLS reports show no failures.",
    ),
    "mta-sts.off": Code("The policy is in mode none: senders deliver as if there were none.", "RFC 8461 §8.3"),
    "mta-sts.missing": Code(
        "The domain has no MTA-STS record; most domains have none.",
        "RFC 8461 §3.1",
        "When everything else is right, publish a policy in mode testing.",
    ),
    "mta-sts.not-needed": Code("The domain takes no mail, so there is nothing to protect on its way.", "RFC 7505 §3"),
    "mta-sts.several": Code(
        "There is more than one record, so senders act as if there were none (RFC 8461 §3.1).",
        "RFC 8461 §3.1",
        "Leave one of the records and remove the others.",
    ),
    "mta-sts.bad-record": Code(
        "The record does not follow RFC 8461 §3.1, so senders act as if there were none.",
        "RFC 8461 §3.1",
        "Publish one TXT record of the form v=STSv1; id=20260101T000000",
    ),
    "mta-sts.no-policy": Code(
        "There is a record, and no policy can be fetched where it must be (RFC 8461 §3.3).",
        "RFC 8461 §3.3",
        "Serve the policy at https://mta-sts.<domain>/.well-known/mta-sts.txt, or remove the record.",
    ),
    "mta-sts.redirect": Code(
        "The policy's page redirects, which senders must not follow (RFC 8461 §3.3).",
        "RFC 8461 §3.3",
        "Serve the policy itself at that address.",
    ),
    "mta-sts.bad-certificate": Code(
        "The certificate of the policy's host does not hold, so senders do not use the policy.",
        "RFC 8461 §3.3",
        "Give the web server a valid certificate for mta-sts.<domain>.",
    ),
    "mta-sts.bad-policy": Code(
        "The policy does not follow RFC 8461 §3.2, so senders do not use it.",
        "RFC 8461 §3.2",
        "Correct the policy, then change the id in the record.",
    ),
    "mta-sts.wrong-type": Code(
        "The policy is not served as text/plain, and some senders insist on it (RFC 8461 §3.2).",
        "RFC 8461 §3.2",
        "Make the web server send the policy as text/plain.",
    ),
    "mta-sts.mx-refused": Code(
        "The policy is in mode enforce and does not name a mail server: senders must not deliver to it.",
        "RFC 8461 §4.1",
        "Add a line mx: with the mail server to the policy, then change the id in the record.",
    ),
    "mta-sts.mx-unlisted": Code(
        "The policy is in mode testing and does not name a mail server.",
        "RFC 8461 §5",
        "Add a line mx: with the mail server to the policy, then change the id in the record.",
    ),
    "mta-sts.short-age": Code(
        "Senders may remember the policy for less than a day, so it protects little (RFC 8461 §3.2).",
        "RFC 8461 §3.2",
        "Raise max_age to some weeks, for example 2592000.",
    ),
    "mta-sts.not-fetched": Code(
        "The policy could not be fetched from here in time, so it is not known.",
        "RFC 8461 §3.3",
        "Open the policy's address in a browser; if it shows there, check again.",
    ),
    "mta-sts.no-answer": Code(
        "The DNS did not answer for the record or for the mail servers.",
        "RFC 8461 §3.1",
        "Check again in a few minutes.",
    ),
}
SHORT_AGE = 86_400
PLAIN = "text/plain"


# The texts take the words of `check`.
OUTCOMES: Mapping[str, Outcome] = {
    "mta-sts.ok": Outcome(
        Verdict.PASS,
        "Servers that follow MTA-STS deliver mail for {domain} over verified TLS only, and all MX names fit.",
    ),
    "mta-sts.testing": Outcome(
        Verdict.PASS,
        "MTA-STS of {domain} only tests: senders report what would fail, and deliver anyway.",
        "Set the mode to enforce once the TLS reports show no failures.",
    ),
    "mta-sts.off": Outcome(Verdict.PASS, "The MTA-STS policy of {domain} is switched off (mode none)."),
    "mta-sts.missing": Outcome(
        Verdict.PASS,
        "{domain} has no MTA-STS; mail arrives without it, but an attacker on the way can switch encryption off.",
        "When everything else is right, publish an MTA-STS policy in mode testing.",
    ),
    "mta-sts.not-needed": Outcome(Verdict.PASS, "{domain} takes no mail, so it needs no MTA-STS."),
    "mta-sts.several": Outcome(
        Verdict.WARN,
        "There is more than one MTA-STS record at {record_at}, so senders ignore them all.",
        "Leave one of the records and remove the others.",
    ),
    "mta-sts.bad-record": Outcome(
        Verdict.WARN,
        "The MTA-STS record at {record_at} cannot be used: {why}.",
        "Publish one TXT record of the form: v=STSv1; id=20260101T000000",
    ),
    "mta-sts.no-policy": Outcome(
        Verdict.WARN,
        "{domain} announces an MTA-STS policy, but its host cannot give it: {why}. Senders deliver without it.",
        "Serve the policy at {url}, or remove the record at {record_at}.",
    ),
    "mta-sts.redirect": Outcome(
        Verdict.WARN,
        "The page of the MTA-STS policy of {domain} redirects, which senders do not follow, so they deliver without it.",
        "Serve the policy itself at {url}.",
    ),
    "mta-sts.bad-certificate": Outcome(
        Verdict.WARN,
        "Senders do not take the MTA-STS policy from {host}: {why}.",
        "Give the web server a valid certificate for {host}.",
    ),
    "mta-sts.bad-policy": Outcome(
        Verdict.WARN,
        "The MTA-STS policy of {domain} cannot be used: {why}.",
        "Correct the policy at {url}, then change the id in the record at {record_at}.",
    ),
    "mta-sts.wrong-type": Outcome(
        Verdict.WARN,
        "The MTA-STS policy of {domain} is not served as text/plain, so some senders ignore it.",
        "Make the web server send the policy as text/plain.",
    ),
    "mta-sts.mx-refused": Outcome(
        Verdict.FAIL,
        "Servers that follow MTA-STS (Gmail, Outlook and others) must not deliver to {bad}: the policy of {domain} leaves it out.",
        "Add a line “mx: {first_bad}” to the policy at {url}, then change the id in the record at {record_at}.",
    ),
    "mta-sts.mx-unlisted": Outcome(
        Verdict.WARN,
        "The MTA-STS policy of {domain} leaves out {bad}; in mode testing mail still arrives there, in enforce it will not.",
        "Add a line “mx: {first_bad}” to the policy at {url}, then change the id in the record at {record_at}.",
    ),
    "mta-sts.short-age": Outcome(
        Verdict.PASS,
        "Senders forget the MTA-STS policy of {domain} within a day (max_age {age}), so it protects little.",
        "Raise max_age to some weeks, for example 2592000.",
    ),
    "mta-sts.not-fetched": Outcome(
        Verdict.UNKNOWN,
        "The MTA-STS policy of {domain} could not be fetched from here, so it is not known to be right: {why}.",
        "Open {url} in a browser; if it shows there, check again.",
    ),
    "mta-sts.no-answer": Outcome(
        Verdict.UNKNOWN,
        "The DNS did not answer about MTA-STS or the mail servers of {domain} ({reason}), so it is not known to be right.",
        "Check again in a few minutes.",
    ),
}
FETCHED: Mapping[Trouble, str] = {
    Trouble.REDIRECT: "mta-sts.redirect",
    Trouble.TIMEOUT: "mta-sts.not-fetched",
    Trouble.UNREACHABLE: "mta-sts.not-fetched",
    Trouble.NO_ANSWER: "mta-sts.not-fetched",
    **dict.fromkeys(CERTIFICATE, "mta-sts.bad-certificate"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a domain's MTA-STS: the codes that hold, the words for their sentences, and the facts."""

    codes: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


async def check(order: Order, lookup: Lookup, *, fetch: Fetch) -> list[Finding]:
    """Findings about the record, the policy, and whether it names every mail server of the order's domain."""
    domain = order.target.domain
    if domain is None:
        return []
    seen = await _look(domain, lookup, fetch)
    host = f"mta-sts.{domain}"
    words = {"domain": shown(domain), "record_at": f"_mta-sts.{domain}", "host": host, "url": policy_url(domain)}
    return [_finding(code, domain, {**words, **seen.words}, seen.facts) for code in seen.codes]


def policy_url(domain: str) -> str:
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


async def _look(domain: str, lookup: Lookup, fetch: Fetch) -> Seen:
    reply, servers = await asyncio.gather(ask(lookup, f"_mta-sts.{domain}", "TXT"), _servers(lookup, domain))
    if isinstance(reply, LookupFailed):
        return Seen(("mta-sts.no-answer",), {"reason": reply.reason})
    records = find_records(reply.records)
    if not records:
        return Seen(("mta-sts.missing" if servers != () else "mta-sts.not-needed",))
    if len(records) > 1:
        return Seen(("mta-sts.several",))
    try:
        policy_id = read_id(records[0])
    except Unusable as bad:
        return Seen(("mta-sts.bad-record",), {"why": str(bad)})
    try:
        page = await fetch(policy_url(domain))
    except VisitFailed as failed:
        code = FETCHED.get(failed.trouble, "mta-sts.no-policy")
        return Seen(
            (code,),
            {"why": WORDS[failed.trouble]},
            {"id": policy_id, "trouble": failed.trouble, "detail": failed.detail},
        )
    return judge(policy_id, page, servers)


async def _servers(lookup: Lookup, domain: str) -> tuple[str, ...] | LookupFailed:
    try:
        return await exchanges(lookup, domain)
    except LookupFailed as failed:
        return failed


def judge(policy_id: str, page: Page, servers: tuple[str, ...] | LookupFailed) -> Seen:
    """What holds about a policy that was fetched, for these mail servers. `policy_id` is the one in the record."""
    try:
        policy = read_policy(page.body.decode("utf-8", "replace"))
    except Unusable as bad:
        return Seen(("mta-sts.bad-policy",), {"why": str(bad)}, {"id": policy_id})
    known = () if isinstance(servers, LookupFailed) else servers
    bad_names = [name for name in known if not policy.allows(name)]
    odd = {
        "mta-sts.wrong-type": page.kind != PLAIN,
        "mta-sts.short-age": policy.max_age < SHORT_AGE and policy.mode != "none",
    }
    words = {
        "bad": ", ".join(map(readable, bad_names)),
        "first_bad": readable(bad_names[0]) if bad_names else "",
        "age": str(policy.max_age),
        "reason": servers.reason if isinstance(servers, LookupFailed) else "",
    }
    facts = {
        "id": policy_id,
        "mode": policy.mode,
        "max_age": policy.max_age,
        "mx": list(policy.exchanges),
        "not_named": bad_names,
        "media_type": page.kind,
    }
    first = _standing(policy, bool(bad_names), isinstance(servers, LookupFailed))
    return Seen((first, *(code for code, holds in odd.items() if holds)), words, facts)


def _standing(policy: Policy, left_out: bool, unanswered: bool) -> str:
    if policy.mode == "none":
        return "mta-sts.off"
    if left_out:
        return "mta-sts.mx-refused" if policy.mode == "enforce" else "mta-sts.mx-unlisted"
    if unanswered:
        return "mta-sts.no-answer"
    return "mta-sts.ok" if policy.mode == "enforce" else "mta-sts.testing"


def _finding(code: str, domain: str, words: Mapping[str, str], facts: Mapping[str, Any]) -> Finding:
    outcome = OUTCOMES[code]
    says, step = outcome.says.format_map(words), outcome.step.format_map(words)
    return Finding("mta-sts", domain, outcome.verdict, code, says, step, facts)
