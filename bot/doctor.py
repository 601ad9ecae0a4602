"""Can this host do the job? What each part of it showed, as findings with the fix."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.checks.blocklists import Trust
from bot.checks.blocklists.survey import Health
from bot.checks.outcomes import Code
from bot.model import Address, Finding, Link, Lookup, LookupFailed, Verdict

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
ADVICE = "Run a resolver of your own and set MAILCHECK_NAMESERVERS to it, or set MAILCHECK_SPAMHAUS_DQS_KEY."
DQS = Link("Free Spamhaus key", "https://www.spamhaus.com/free-trial/sign-up-for-a-free-data-query-service-account/")
MANY = 3  # one list in three: not every list keeps an entry by which this can be seen
SPAMHAUS = "spamhaus-zen"
REFUSALS = frozenset({"public-resolver", "quota", "blocked", "key-disabled", "key-misused"})

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


@dataclass(frozen=True, slots=True)
class PortTry:
    """What a connection to port 25 of a host that the person named showed; `open` is None where none was named."""

    host: str = ""
    ip: Address | None = None
    open: bool | None = None


async def resolver_findings(servers: Sequence[str], lookup: Lookup) -> list[Finding]:
    """`servers` are addresses; the question is about a name that RFC 6761 promises never to exist."""
    about = " ".join(servers)
    found = [
        _finding(
            "resolver-public",
            server,
            Verdict.WARN,
            f"{server} is {PUBLIC_RESOLVERS[server]}'s public resolver.",
            ADVICE,
        )
        for server in servers
        if server in PUBLIC_RESOLVERS
    ]
    try:
        answer = await lookup(f"{secrets.token_hex(8)}.invalid", "A")
    except LookupFailed as failed:
        says = f"The resolver does not answer ({failed.reason}), so nothing can be checked."
        return [
            *found,
            _finding("resolver-silent", about, Verdict.FAIL, says, "Set MAILCHECK_NAMESERVERS to one that does."),
        ]
    if answer.records:
        says = f"The resolver invents an address ({answer.records[0]}) for a name that does not exist."
        return [
            *found,
            _finding("resolver-rewrites", about, Verdict.FAIL, says, "Use a resolver that does not rewrite answers."),
        ]
    return [*found, _finding("resolver-answers", about, Verdict.PASS, "The resolver answers and invents nothing.")]


def list_findings(lists: Sequence[Health]) -> list[Finding]:
    """From the health of every list: are their answers stripped, does Spamhaus answer, how many can be believed."""
    asked = [item for item in lists if item.reason != "no-key"]
    good = [item for item in asked if item.standing is Trust.GOOD]
    stripped = [item for item in asked if item.reason == "stripped"]
    empty = [item for item in asked if item.reason == "emptied"]
    verdict = Verdict.PASS if len(good) * 2 > len(asked) else Verdict.WARN
    says = f"{len(good)} of {len(asked)} lists answer their own test entries right."
    found = [_finding("lists", "catalogue", verdict, says, "" if good else ADVICE)]
    if len(empty) > len(asked) // MANY:
        says = f"{len(empty)} lists seem empty through this resolver: it does not reach them, or hides their answers."
        found.append(_finding("answers-hidden", "resolver", Verdict.FAIL, says, ADVICE))
    elif len(stripped) > len(asked) // MANY:
        says = f"{len(stripped)} lists answer without their address: the resolver strips 127.0.0.0/8 (rebinding protection)."
        step = "Exempt the blocklists there (unbound: private-address, dnsmasq: rebind-domain-ok), or use another resolver."
        found.append(_finding("answers-stripped", "resolver", Verdict.FAIL, says, step))
    elif good:
        found.append(_finding("answers-arrive", "resolver", Verdict.PASS, "Answers in 127.0.0.0/8 come through."))
    return found + [_spamhaus(item) for item in asked if item.id == SPAMHAUS]


def _spamhaus(item: Health) -> Finding:
    if item.standing is Trust.GOOD:
        return _finding("spamhaus-answers", item.id, Verdict.PASS, "Spamhaus answers this resolver.")
    if item.reason in REFUSALS:
        return _finding(
            "spamhaus-refuses", item.id, Verdict.FAIL, f"Spamhaus refuses this resolver ({item.reason}).", ADVICE, DQS
        )
    says = f"Spamhaus gave no usable answer ({item.reason})."
    return _finding("spamhaus-silent", item.id, Verdict.UNKNOWN, says, "Try again; if it stays so, use a key.", DQS)


def port_finding(tried: PortTry) -> Finding:
    if tried.open is None:
        says = "Outgoing port 25 was not tried."
        return _finding(
            "port-not-tried", "port 25", Verdict.PASS, says, "Name a mail server to try: --smtp-host mx.example.com."
        )
    if tried.open:
        return _finding("port-open", "port 25", Verdict.PASS, f"Port 25 of {tried.host} can be reached from here.")
    says = f"Port 25 of {tried.host} ({tried.ip}) cannot be reached from here: the network or the provider shuts it."
    return _finding(
        "port-shut", "port 25", Verdict.WARN, says, "This host cannot send mail itself; its checks need no port 25."
    )


def store_finding(place: str, warnings: Sequence[str], problem: str = "") -> Finding:
    if problem:
        return _finding("store-away", place, Verdict.WARN, problem, "Checks run uncached until it is back.")
    if warnings:
        return _finding("store-warning", place, Verdict.WARN, " ".join(warnings), "See the manual of your Redis.")
    return _finding("store-ready", place, Verdict.PASS, "The store answers and keeps what it is given.")


def chat_finding(platforms: Sequence[str]) -> Finding:
    if platforms:
        return _finding("chat-ready", "chat", Verdict.PASS, f"Credentials are set for {' and '.join(platforms)}.")
    says = "No chat credentials are set, so the bot only answers in the terminal."
    return _finding("chat-none", "chat", Verdict.PASS, says, "The README tells how to create the Slack app.")


def _finding(word: str, about: str, verdict: Verdict, says: str, step: str = "", *links: Link) -> Finding:
    return Finding("doctor", about, verdict, f"doctor.{word}", says, step, links=links)
