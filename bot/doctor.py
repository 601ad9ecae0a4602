"""`mailcheck doctor`: judges what this host, its resolver and its lists showed. Pure.

The codes are the rows of `docs/checks.md`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.checks.dnsbl import TrustLevel
from bot.checks.dnsbl.catalog import Blocklist
from bot.checks.dnsbl.test_points import ListStatus
from bot.checks.finding_codes import FindingCode
from bot.checks.lookups import lookup_or_failure
from bot.models import Address, DnsAnswer, Finding, Link, Lookup, LookupFailed, Verdict

CODES: Mapping[str, FindingCode] = {
    "doctor.resolver-answers": FindingCode(
        "The resolver answers, and says of a name that cannot exist that it does not exist.", "RFC 6761 §6.4"
    ),
    "doctor.resolver-silent": FindingCode(
        "The resolver does not answer.", "RFC 1035 §4.2", "Set MAILCHECK_NAMESERVERS to a resolver that answers."
    ),
    "doctor.resolver-rewrites": FindingCode(
        "The resolver answers with an address where a name does not exist.",
        "RFC 6761 §6.4",
        "Use a resolver that does not rewrite answers.",
    ),
    "doctor.resolver-public": FindingCode(
        "The resolver is one for everybody, which blocklists refuse.",
        (
            "[Spamhaus: return"
            " codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)"
        ),
        ("Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set MAILCHECK_SPAMHAUS_DQS_KEY."),
    ),
    "doctor.resolver-validates": FindingCode("The resolver verifies what is signed (DNSSEC).", "RFC 4035 §3.2.3"),
    "doctor.resolver-trusts": FindingCode(
        "The resolver does not verify DNSSEC, so DANE and DNSSEC are not checked.",
        "RFC 4035 §3.2.3",
        ("Switch validation on there (unbound: auto-trust-anchor-file) to have DANE and DNSSEC checked."),
    ),
    "doctor.answers-arrive": FindingCode(
        "Answers in 127.0.0.0/8, which blocklists give, come through the resolver.", "RFC 5782 §2.1"
    ),
    "doctor.answers-stripped": FindingCode(
        "The resolver removes answers in 127.0.0.0/8, so no listing can be seen.",
        "RFC 5782 §2.1",
        ("Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another resolver."),
    ),
    "doctor.answers-hidden": FindingCode(
        "Most lists seem empty: the resolver does not reach them, or hides their answers.",
        "RFC 5782 §5",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS.",
    ),
    "doctor.spamhaus-answers": FindingCode("Spamhaus answers this resolver.", "RFC 5782 §5"),
    "doctor.spamhaus-refuses": FindingCode(
        "Spamhaus refuses this resolver or key.",
        (
            "[Spamhaus: return"
            " codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)"
        ),
        ("Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set MAILCHECK_SPAMHAUS_DQS_KEY."),
    ),
    "doctor.spamhaus-silent": FindingCode(
        "Spamhaus gave no usable answer.", "RFC 5782 §5", "Try again; if it stays so, use a key."
    ),
    "doctor.key-works": FindingCode(
        "The Spamhaus key works.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
    ),
    "doctor.key-refused": FindingCode(
        "Spamhaus does not take the key: it is unknown, disabled, or somebody else's.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
        "Copy the key again from the Spamhaus customer portal, or remove the setting.",
    ),
    "doctor.key-not-known": FindingCode(
        "Spamhaus gave no usable answer to the key.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
        "Try again in a few minutes.",
    ),
    "doctor.lists": FindingCode(
        "How many lists of the catalogue can be believed through this resolver.",
        "RFC 5782 §5",
        "Look at `mailcheck lists` for which lists do not answer, and why.",
    ),
    "doctor.lists-outdated": FindingCode(
        "Facts about lists were last compared with their sources more than 18 months ago.",
        "mailcheck itself",
        "Update mailcheck; in a catalogue of your own read the sources again and set source_seen.",
    ),
    "doctor.port-open": FindingCode("Outgoing port 25 is open.", "RFC 5321 §3.1"),
    "doctor.port-shut": FindingCode(
        "Outgoing port 25 is shut.",
        "RFC 5321 §3.1",
        "Ask the provider to open it if this host is to send mail; the checks need no port 25.",
    ),
    "doctor.port-not-tried": FindingCode(
        "Outgoing port 25 was not tried, because no host to try it with was named.",
        "RFC 5321 §3.1",
        "Name a mail server to try: --smtp-host mx.example.com",
    ),
    "doctor.port-not-known": FindingCode(
        "Outgoing port 25 could not be tried with the host that was named.",
        "RFC 5321 §3.1",
        "Name a mail server that has a public address.",
    ),
    "doctor.egress-watched": FindingCode(
        "The address that mail leaves from is watched.", "[README: watch](../README.md#watch-and-be-told)"
    ),
    "doctor.egress-not-watched": FindingCode(
        "Nobody watches the address that mail leaves from.",
        "[README: watch](../README.md#watch-and-be-told)",
        "Watch the address that your mail leaves from: watch 203.0.113.5",
    ),
    "doctor.store-ready": FindingCode(
        "The store answers and keeps what it is given.",
        "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
    ),
    "doctor.store-warning": FindingCode(
        "The store answers, and something about how it keeps data should be known.",
        "[Redis: eviction](https://redis.io/docs/latest/develop/reference/eviction/)",
        "Set what the warning names in the configuration of your Redis.",
    ),
    "doctor.store-away": FindingCode(
        "The store does not answer; checks run uncached.",
        "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
        "Start it, or unset REDIS_URL to use the embedded one.",
    ),
    "doctor.chat-ready": FindingCode(
        "The chat credentials are complete.",
        (
            "[Slack](https://docs.slack.dev/authentication/),"
            " [Teams](https://learn.microsoft.com/microsoftteams/platform/bots/overview)"
        ),
    ),
    "doctor.chat-none": FindingCode(
        "No chat credentials are set.",
        (
            "[Slack](https://docs.slack.dev/authentication/),"
            " [Teams](https://learn.microsoft.com/microsoftteams/platform/bots/overview)"
        ),
        "Create the Slack app or register the Teams bot as the README tells, if you want it there.",
    ),
}


def doctor_finding(
    code: str, subject: str, verdict: Verdict, summary: str, remediation: str = "", *links: Link
) -> Finding:
    return Finding("doctor", subject, verdict, f"doctor.{code}", summary, remediation, links=links)


@dataclass(frozen=True, slots=True)
class PortProbe:
    """Result of connecting to port 25 of a named host; `open` is None where it was not tried."""

    host: str = ""
    ip: Address | None = None
    open: bool | None = None


def port_finding(attempt: PortProbe) -> Finding:
    if attempt.open is None and attempt.host:
        summary = f"Outgoing port 25 could not be tried: {attempt.host} has no public address that is known here."
        return doctor_finding("port-not-known", "port 25", Verdict.UNKNOWN, summary, "Name a mail server that has one.")
    if attempt.open is None:
        summary = "Outgoing port 25 was not tried."
        return doctor_finding(
            "port-not-tried", "port 25", Verdict.PASS, summary, "Name a mail server to try: --smtp-host mx.example.com."
        )
    if attempt.open:
        return doctor_finding(
            "port-open", "port 25", Verdict.PASS, f"Port 25 of {attempt.host} can be reached from here."
        )
    summary = (
        f"Port 25 of {attempt.host} ({attempt.ip}) cannot be reached from here: the network or the provider shuts it."
    )
    return doctor_finding(
        "port-shut", "port 25", Verdict.WARN, summary, "This host cannot send mail itself; its checks need no port 25."
    )


def egress_finding(egress: Address, watched: bool | None) -> list[Finding]:
    """Whether the egress address is watched; `watched` is None where the store does not answer."""
    if watched is None:
        return []
    if watched:
        return [doctor_finding("egress-watched", str(egress), Verdict.PASS, f"{egress} is watched.")]
    summary = f"Nobody watches {egress}, so nobody is told when a blocklist lists it."
    return [
        doctor_finding("egress-not-watched", str(egress), Verdict.WARN, summary, f"Type in a channel: watch {egress}")
    ]


def store_finding(location: str, warnings: Sequence[str], problem: str = "") -> Finding:
    if problem:
        return doctor_finding("store-away", location, Verdict.WARN, problem, "Checks run uncached until it is back.")
    if warnings:
        return doctor_finding(
            "store-warning", location, Verdict.WARN, " ".join(warnings), "See the manual of your Redis."
        )
    return doctor_finding("store-ready", location, Verdict.PASS, "The store answers and keeps what it is given.")


def chat_finding(platforms: Sequence[str]) -> Finding:
    if platforms:
        return doctor_finding("chat-ready", "chat", Verdict.PASS, f"Credentials are set for {' and '.join(platforms)}.")
    summary = "No chat credentials are set, so the bot only answers in the terminal."
    return doctor_finding("chat-none", "chat", Verdict.PASS, summary, "The README tells how to create the Slack app.")


# Operated for everybody, so blocklists refuse them.
PUBLIC_RESOLVERS = {
    "1.1.1.1": "Cloudflare",
    "1.0.0.1": "Cloudflare",
    "2606:4700:4700::1111": "Cloudflare",
    "2606:4700:4700::1001": "Cloudflare",
    "8.8.8.8": "Google",
    "8.8.4.4": "Google",
    "2001:4860:4860::8888": "Google",
    "2001:4860:4860::8844": "Google",
    "9.9.9.9": "Quad9",
    "149.112.112.112": "Quad9",
    "2620:fe::fe": "Quad9",
    "208.67.222.222": "OpenDNS",
    "208.67.220.220": "OpenDNS",
    "94.140.14.14": "AdGuard",
    "76.76.2.0": "Control D",
}
OWN_RESOLVER = "Run a resolver of your own and set MAILCHECK_NAMESERVERS to it, or set MAILCHECK_SPAMHAUS_DQS_KEY."
ROOT = "."  # is signed, so a resolver that does not call its SOA authentic does not verify


async def resolver_findings(servers: Sequence[str], lookup: Lookup) -> list[Finding]:
    """Query names that do not exist, one of them in .com, which rewriting resolvers prefer."""
    nonce, subject = secrets.token_hex(8), " ".join(servers)
    queries = ((f"{nonce}.invalid", "A"), (f"www.{nonce}.com", "A"), (ROOT, "SOA"))
    *nonexistent, root = await asyncio.gather(*(lookup_or_failure(lookup, *query) for query in queries))
    public = [_public(server) for server in servers if server in PUBLIC_RESOLVERS]
    return [*public, _rewriting(subject, nonexistent), *_validation(subject, root)]


def _public(server: str) -> Finding:
    summary = f"{server} is {PUBLIC_RESOLVERS[server]}'s public resolver, which blocklists refuse."
    return doctor_finding("resolver-public", server, Verdict.WARN, summary, OWN_RESOLVER)


def _rewriting(subject: str, nonexistent: Sequence[DnsAnswer | LookupFailed]) -> Finding:
    invented = [reply.records[0] for reply in nonexistent if isinstance(reply, DnsAnswer) and reply.records]
    if invented:
        summary = f"The resolver invents an address ({invented[0]}) for a name that does not exist."
        return doctor_finding(
            "resolver-rewrites", subject, Verdict.FAIL, summary, "Use a resolver that does not rewrite answers."
        )
    failures = [reply.reason for reply in nonexistent if isinstance(reply, LookupFailed)]
    if len(failures) == len(nonexistent):
        summary = f"The resolver does not answer ({failures[0]}), so nothing can be checked."
        return doctor_finding(
            "resolver-silent", subject, Verdict.FAIL, summary, "Set MAILCHECK_NAMESERVERS to one that does."
        )
    return doctor_finding("resolver-answers", subject, Verdict.PASS, "The resolver answers and invents nothing.")


def _validation(subject: str, root: DnsAnswer | LookupFailed) -> list[Finding]:
    if isinstance(root, LookupFailed):
        return []
    if root.authentic:
        return [doctor_finding("resolver-validates", subject, Verdict.PASS, "The resolver verifies DNSSEC.")]
    summary = "The resolver does not verify DNSSEC, so DANE and DNSSEC of a domain are not checked."
    remediation = "Switch validation on there (unbound: auto-trust-anchor-file), if you want them checked."
    return [doctor_finding("resolver-trusts", subject, Verdict.WARN, summary, remediation)]


DQS = Link("Free Spamhaus key", "https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/")
SUSPICIOUS_SHARE = 3  # one list in three: not every list keeps an entry by which this can be seen
SPAMHAUS = "spamhaus-zen"
REFUSALS = frozenset({"public-resolver", "quota", "blocked", "key-disabled", "key-misused"})
NO_SUCH_KEY = frozenset(
    {"key-disabled", "key-misused", "emptied", "refused"}
)  # the zone of an unknown key has no test points


def list_findings(lists: Sequence[ListStatus], has_key: bool = False) -> list[Finding]:
    """Judge the test points of every list: stripped answers, Spamhaus access, usable lists.

    `has_key`: a Spamhaus key is set, so it is the key that Spamhaus answers or refuses.
    """
    queried = [item for item in lists if item.reason != "no-key"]
    good = [item for item in queried if item.trust is TrustLevel.GOOD]
    stripped = [item for item in queried if item.reason == "stripped"]
    empty = [item for item in queried if item.reason == "emptied"]
    verdict = Verdict.PASS if len(good) * 2 > len(queried) else Verdict.WARN
    summary = f"{len(good)} of {len(queried)} lists answer their own test entries right."
    rows = [doctor_finding("lists", "catalogue", verdict, summary, "" if good else OWN_RESOLVER)]
    if len(empty) > len(queried) // SUSPICIOUS_SHARE:
        summary = (
            f"{len(empty)} lists seem empty through this resolver: it does not reach them, or hides their answers."
        )
        rows.append(doctor_finding("answers-hidden", "resolver", Verdict.FAIL, summary, OWN_RESOLVER))
    elif len(stripped) > len(queried) // SUSPICIOUS_SHARE:
        summary = (
            f"{len(stripped)} lists answer without their address: the resolver strips 127.0.0.0/8"
            " (rebinding protection)."
        )
        remediation = (
            "Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok),"
            " or use another resolver."
        )
        rows.append(doctor_finding("answers-stripped", "resolver", Verdict.FAIL, summary, remediation))
    elif good:
        rows.append(doctor_finding("answers-arrive", "resolver", Verdict.PASS, "Answers in 127.0.0.0/8 come through."))
    others_answer = rows[-1].code != "doctor.answers-hidden"
    return rows + [_spamhaus(item, has_key, others_answer) for item in queried if item.id == SPAMHAUS]


def source_findings(outdated: Sequence[Blocklist]) -> list[Finding]:
    """Judge the age of what the catalog says about its lists."""
    if not outdated:
        return []
    names = ", ".join(blocklist.name for blocklist in outdated[:4])
    more = f" and {len(outdated) - 4} more" if len(outdated) > 4 else ""
    summary = f"The facts about {names}{more} were last compared with their sources more than 18 months ago."
    remediation = "Update mailcheck; in a catalogue of your own read the sources again and set source_seen."
    return [doctor_finding("lists-outdated", "catalogue", Verdict.WARN, summary, remediation)]


def _spamhaus(item: ListStatus, has_key: bool, others_answer: bool) -> Finding:
    """`others_answer`: other lists are not empty, so an empty one is the key's fault."""
    if item.trust is TrustLevel.GOOD and has_key:
        return doctor_finding("key-works", item.id, Verdict.PASS, "The Spamhaus key works.")
    if item.trust is TrustLevel.GOOD:
        return doctor_finding("spamhaus-answers", item.id, Verdict.PASS, "Spamhaus answers this resolver.")
    if has_key and others_answer and item.reason in NO_SUCH_KEY:
        summary = f"Spamhaus does not take the key in MAILCHECK_SPAMHAUS_DQS_KEY ({item.reason})."
        remediation = "Copy the key again from the Spamhaus customer portal, or remove the setting."
        return doctor_finding("key-refused", item.id, Verdict.FAIL, summary, remediation, DQS)
    if item.reason in REFUSALS:
        summary = f"Spamhaus refuses this resolver ({item.reason})."
        return doctor_finding("spamhaus-refuses", item.id, Verdict.FAIL, summary, OWN_RESOLVER, DQS)
    summary = f"Spamhaus gave no usable answer ({item.reason})."
    if has_key:
        return doctor_finding("key-not-known", item.id, Verdict.UNKNOWN, summary, "Try again in a few minutes.")
    return doctor_finding(
        "spamhaus-silent", item.id, Verdict.UNKNOWN, summary, "Try again; if it stays so, use a key.", DQS
    )
