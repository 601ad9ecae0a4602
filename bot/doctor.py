"""The codes of `mailcheck doctor`, and the one shape of its findings.

The host itself: outgoing port 25, the address that mail leaves from, the store, the chat credentials.

The resolver in use: is it everybody's, does it invent answers, does it verify DNSSEC?

What the blocklists show of the resolver and of the key: do answers arrive, does Spamhaus answer?

Can this host do the job? What each part of it showed, as findings with the fix.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.checks.dnsbl import Trust
from bot.checks.dnsbl.test_points import Health
from bot.checks.finding_codes import Code
from bot.checks.lookups import ask
from bot.models import Address, Answer, Finding, Link, Lookup, LookupFailed, Verdict

CODES: Mapping[str, Code] = {
    "doctor.resolver-answers": Code(
        "The resolver answers, and says of a name that cannot exist that it does not exist.", "RFC 6761 §6.4"
    ),
    "doctor.resolver-silent": Code(
        "The resolver does not answer.", "RFC 1035 §4.2", "Set MAILCHECK_NAMESERVERS to a resolver that answers."
    ),
    "doctor.resolver-rewrites": Code(
        "The resolver answers with an address where a name does not exist.",
        "RFC 6761 §6.4",
        "Use a resolver that does not rewrite answers.",
    ),
    "doctor.resolver-public": Code(
        "The resolver is one for everybody, which blocklists refuse.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set MAILCHECK_SPAMHAUS_DQS_KEY.",
    ),
    "doctor.resolver-validates": Code("The resolver verifies what is signed (DNSSEC).", "RFC 4035 §3.2.3"),
    "doctor.resolver-trusts": Code(
        "The resolver does not verify DNSSEC, so DANE and DNSSEC are not checked.",
        "RFC 4035 §3.2.3",
        "Switch validation on there (unbound: auto-trust-anchor-file) to have DANE and DNSSEC checked.",
    ),
    "doctor.answers-arrive": Code(
        "Answers in 127.0.0.0/8, which blocklists give, come through the resolver.", "RFC 5782 §2.1"
    ),
    "doctor.answers-stripped": Code(
        "The resolver removes answers in 127.0.0.0/8, so no listing can be seen.",
        "RFC 5782 §2.1",
        "Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another resolver.",
    ),
    "doctor.answers-hidden": Code(
        "Most lists seem empty: the resolver does not reach them, or hides their answers.",
        "RFC 5782 §5",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS.",
    ),
    "doctor.spamhaus-answers": Code("Spamhaus answers this resolver.", "RFC 5782 §5"),
    "doctor.spamhaus-refuses": Code(
        "Spamhaus refuses this resolver or key.",
        "[Spamhaus: return codes](https://docs.spamhaus.com/datasets/docs/source/10-data-type-documentation/datasets/040-zones.html)",
        "Run a resolver of your own and set MAILCHECK_NAMESERVERS, or set MAILCHECK_SPAMHAUS_DQS_KEY.",
    ),
    "doctor.spamhaus-silent": Code(
        "Spamhaus gave no usable answer.", "RFC 5782 §5", "Try again; if it stays so, use a key."
    ),
    "doctor.key-works": Code(
        "The Spamhaus key works.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
    ),
    "doctor.key-refused": Code(
        "Spamhaus does not take the key: it is unknown, disabled, or somebody else's.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
        "Copy the key again from the Spamhaus customer portal, or remove the setting.",
    ),
    "doctor.key-not-known": Code(
        "Spamhaus gave no usable answer to the key.",
        "[Spamhaus DQS](https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/)",
        "Try again in a few minutes.",
    ),
    "doctor.lists": Code(
        "How many lists of the catalogue can be believed through this resolver.",
        "RFC 5782 §5",
        "Look at `mailcheck lists` for which lists do not answer, and why.",
    ),
    "doctor.port-open": Code("Outgoing port 25 is open.", "RFC 5321 §3.1"),
    "doctor.port-shut": Code(
        "Outgoing port 25 is shut.",
        "RFC 5321 §3.1",
        "Ask the provider to open it if this host is to send mail; the checks need no port 25.",
    ),
    "doctor.port-not-tried": Code(
        "Outgoing port 25 was not tried, because no host to try it with was named.",
        "RFC 5321 §3.1",
        "Name a mail server to try: --smtp-host mx.example.com",
    ),
    "doctor.port-not-known": Code(
        "Outgoing port 25 could not be tried with the host that was named.",
        "RFC 5321 §3.1",
        "Name a mail server that has a public address.",
    ),
    "doctor.egress-watched": Code(
        "The address that mail leaves from is watched.", "[README: watch](../README.md#watch-and-be-told)"
    ),
    "doctor.egress-not-watched": Code(
        "Nobody watches the address that mail leaves from.",
        "[README: watch](../README.md#watch-and-be-told)",
        "Watch the address that your mail leaves from: watch 203.0.113.5",
    ),
    "doctor.store-ready": Code(
        "The store answers and keeps what it is given.",
        "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
    ),
    "doctor.store-warning": Code(
        "The store answers, and something about how it keeps data should be known.",
        "[Redis: eviction](https://redis.io/docs/latest/develop/reference/eviction/)",
        "Set what the warning names in the configuration of your Redis.",
    ),
    "doctor.store-away": Code(
        "The store does not answer; checks run uncached.",
        "[Redis: persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
        "Start it, or unset REDIS_URL to use the embedded one.",
    ),
    "doctor.chat-ready": Code(
        "The chat credentials are complete.",
        "[Slack](https://docs.slack.dev/authentication/), [Teams](https://learn.microsoft.com/microsoftteams/platform/bots/overview)",
    ),
    "doctor.chat-none": Code(
        "No chat credentials are set.",
        "[Slack](https://docs.slack.dev/authentication/), [Teams](https://learn.microsoft.com/microsoftteams/platform/bots/overview)",
        "Create the Slack app or register the Teams bot as the README tells, if you want it there.",
    ),
}


def found(word: str, about: str, verdict: Verdict, says: str, step: str = "", *links: Link) -> Finding:
    return Finding("doctor", about, verdict, f"doctor.{word}", says, step, links=links)


@dataclass(frozen=True, slots=True)
class PortTry:
    """What a connection to port 25 of a host that the person named showed; `open` is None where none was tried."""

    host: str = ""
    ip: Address | None = None
    open: bool | None = None


def port_finding(tried: PortTry) -> Finding:
    if tried.open is None and tried.host:
        says = f"Outgoing port 25 could not be tried: {tried.host} has no public address that is known here."
        return found("port-not-known", "port 25", Verdict.UNKNOWN, says, "Name a mail server that has one.")
    if tried.open is None:
        says = "Outgoing port 25 was not tried."
        return found(
            "port-not-tried", "port 25", Verdict.PASS, says, "Name a mail server to try: --smtp-host mx.example.com."
        )
    if tried.open:
        return found("port-open", "port 25", Verdict.PASS, f"Port 25 of {tried.host} can be reached from here.")
    says = f"Port 25 of {tried.host} ({tried.ip}) cannot be reached from here: the network or the provider shuts it."
    return found(
        "port-shut", "port 25", Verdict.WARN, says, "This host cannot send mail itself; its checks need no port 25."
    )


def egress_finding(egress: Address, followed: bool | None) -> list[Finding]:
    """Whether somebody watches the address that mail leaves from; `followed` is None where the store does not say."""
    if followed is None:
        return []
    if followed:
        return [found("egress-watched", str(egress), Verdict.PASS, f"{egress} is watched.")]
    says = f"Nobody watches {egress}, so nobody is told when a blocklist lists it."
    return [found("egress-not-watched", str(egress), Verdict.WARN, says, f"Type in a channel: watch {egress}")]


def store_finding(place: str, warnings: Sequence[str], problem: str = "") -> Finding:
    if problem:
        return found("store-away", place, Verdict.WARN, problem, "Checks run uncached until it is back.")
    if warnings:
        return found("store-warning", place, Verdict.WARN, " ".join(warnings), "See the manual of your Redis.")
    return found("store-ready", place, Verdict.PASS, "The store answers and keeps what it is given.")


def chat_finding(platforms: Sequence[str]) -> Finding:
    if platforms:
        return found("chat-ready", "chat", Verdict.PASS, f"Credentials are set for {' and '.join(platforms)}.")
    says = "No chat credentials are set, so the bot only answers in the terminal."
    return found("chat-none", "chat", Verdict.PASS, says, "The README tells how to create the Slack app.")


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
    """`servers` are addresses. The questions are about names that do not exist, one of them in a zone that rewriters like."""
    nonce, about = secrets.token_hex(8), " ".join(servers)
    questions = ((f"{nonce}.invalid", "A"), (f"www.{nonce}.com", "A"), (ROOT, "SOA"))
    *nowhere, root = await asyncio.gather(*(ask(lookup, *question) for question in questions))
    public = [_public(server) for server in servers if server in PUBLIC_RESOLVERS]
    return [*public, _honesty(about, nowhere), *_validation(about, root)]


def _public(server: str) -> Finding:
    says = f"{server} is {PUBLIC_RESOLVERS[server]}'s public resolver, which blocklists refuse."
    return found("resolver-public", server, Verdict.WARN, says, OWN_RESOLVER)


def _honesty(about: str, nowhere: Sequence[Answer | LookupFailed]) -> Finding:
    invented = [reply.records[0] for reply in nowhere if isinstance(reply, Answer) and reply.records]
    if invented:
        says = f"The resolver invents an address ({invented[0]}) for a name that does not exist."
        return found("resolver-rewrites", about, Verdict.FAIL, says, "Use a resolver that does not rewrite answers.")
    failures = [reply.reason for reply in nowhere if isinstance(reply, LookupFailed)]
    if len(failures) == len(nowhere):
        says = f"The resolver does not answer ({failures[0]}), so nothing can be checked."
        return found("resolver-silent", about, Verdict.FAIL, says, "Set MAILCHECK_NAMESERVERS to one that does.")
    return found("resolver-answers", about, Verdict.PASS, "The resolver answers and invents nothing.")


def _validation(about: str, root: Answer | LookupFailed) -> list[Finding]:
    if isinstance(root, LookupFailed):
        return []
    if root.authentic:
        return [found("resolver-validates", about, Verdict.PASS, "The resolver verifies DNSSEC.")]
    says = "The resolver does not verify DNSSEC, so DANE and DNSSEC of a domain are not checked."
    step = "Switch validation on there (unbound: auto-trust-anchor-file), if you want them checked."
    return [found("resolver-trusts", about, Verdict.WARN, says, step)]


DQS = Link("Free Spamhaus key", "https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/")
MANY = 3  # one list in three: not every list keeps an entry by which this can be seen
SPAMHAUS = "spamhaus-zen"
REFUSALS = frozenset({"public-resolver", "quota", "blocked", "key-disabled", "key-misused"})
NO_SUCH_KEY = frozenset({"key-disabled", "key-misused", "emptied", "refused"})  # a zone of no key has no test entries


def list_findings(lists: Sequence[Health], keyed: bool = False) -> list[Finding]:
    """From the health of every list: are their answers stripped, does Spamhaus answer, how many can be believed.

    `keyed` says that a Spamhaus key is set: then it is the key that Spamhaus answers or refuses.
    """
    asked = [item for item in lists if item.reason != "no-key"]
    good = [item for item in asked if item.standing is Trust.GOOD]
    stripped = [item for item in asked if item.reason == "stripped"]
    empty = [item for item in asked if item.reason == "emptied"]
    verdict = Verdict.PASS if len(good) * 2 > len(asked) else Verdict.WARN
    says = f"{len(good)} of {len(asked)} lists answer their own test entries right."
    rows = [found("lists", "catalogue", verdict, says, "" if good else OWN_RESOLVER)]
    if len(empty) > len(asked) // MANY:
        says = f"{len(empty)} lists seem empty through this resolver: it does not reach them, or hides their answers."
        rows.append(found("answers-hidden", "resolver", Verdict.FAIL, says, OWN_RESOLVER))
    elif len(stripped) > len(asked) // MANY:
        says = f"{len(stripped)} lists answer without their address: the resolver strips 127.0.0.0/8 (rebinding protection)."
        step = "Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another resolver."
        rows.append(found("answers-stripped", "resolver", Verdict.FAIL, says, step))
    elif good:
        rows.append(found("answers-arrive", "resolver", Verdict.PASS, "Answers in 127.0.0.0/8 come through."))
    reaches = rows[-1].code != "doctor.answers-hidden"
    return rows + [_spamhaus(item, keyed, reaches) for item in asked if item.id == SPAMHAUS]


def _spamhaus(item: Health, keyed: bool, reaches: bool) -> Finding:
    """`reaches` says that other lists are not empty, so that an empty one is the key's fault."""
    if item.standing is Trust.GOOD and keyed:
        return found("key-works", item.id, Verdict.PASS, "The Spamhaus key works.")
    if item.standing is Trust.GOOD:
        return found("spamhaus-answers", item.id, Verdict.PASS, "Spamhaus answers this resolver.")
    if keyed and reaches and item.reason in NO_SUCH_KEY:
        says = f"Spamhaus does not take the key in MAILCHECK_SPAMHAUS_DQS_KEY ({item.reason})."
        step = "Copy the key again from the Spamhaus customer portal, or remove the setting."
        return found("key-refused", item.id, Verdict.FAIL, says, step, DQS)
    if item.reason in REFUSALS:
        says = f"Spamhaus refuses this resolver ({item.reason})."
        return found("spamhaus-refuses", item.id, Verdict.FAIL, says, OWN_RESOLVER, DQS)
    says = f"Spamhaus gave no usable answer ({item.reason})."
    if keyed:
        return found("key-not-known", item.id, Verdict.UNKNOWN, says, "Try again in a few minutes.")
    return found("spamhaus-silent", item.id, Verdict.UNKNOWN, says, "Try again; if it stays so, use a key.", DQS)


__all__ = [
    "CODES",
    "PortTry",
    "chat_finding",
    "egress_finding",
    "list_findings",
    "port_finding",
    "resolver_findings",
    "store_finding",
]
