"""`mailcheck doctor`: judges what this host, its resolver and its lists showed. Pure.

The codes are the rows of `docs/checks.md`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bot.checks.dnsbl import TrustLevel
from bot.checks.dnsbl.catalog import Blocklist
from bot.checks.dnsbl.test_points import ListStatus
from bot.checks.lookups import lookup_or_failure
from bot.doctor.messages import CODES, EMBEDDED_STORE
from bot.models import Address, DnsAnswer, Finding, Link, Lookup, LookupFailed

__all__ = [
    "CODES",
    "EMBEDDED_STORE",
    "PortProbe",
    "chat_finding",
    "egress_finding",
    "list_findings",
    "port_finding",
    "resolver_findings",
    "source_findings",
    "store_finding",
]


def _finding(code: str, subject: str, variant: str = "", links: tuple[Link, ...] = (), **values: object) -> Finding:
    text = CODES[code].variant(variant)
    return Finding("doctor", subject, text.verdict, code, *text.fill(values), links=links)


@dataclass(frozen=True, slots=True)
class PortProbe:
    """Result of connecting to port 25 of a named host; `open` is None where it was not tried."""

    host: str = ""
    ip: Address | None = None
    open: bool | None = None


def port_finding(attempt: PortProbe) -> Finding:
    if attempt.open is None:
        code = "doctor.port-not-known" if attempt.host else "doctor.port-not-tried"
    else:
        code = "doctor.port-open" if attempt.open else "doctor.port-shut"
    return _finding(code, "port 25", host=attempt.host, ip=attempt.ip)


def egress_finding(egress: Address, watched: bool | None) -> list[Finding]:
    """Whether the egress address is watched; `watched` is None where the store does not answer."""
    if watched is None:
        return []
    return [_finding("doctor.egress-watched" if watched else "doctor.egress-not-watched", str(egress), ip=egress)]


def store_finding(location: str, warnings: Sequence[str], available: bool = True) -> Finding:
    """`location` is where the store is: REDIS_URL or EMBEDDED_STORE."""
    if not available:
        return _finding("doctor.store-away", location, location=location)
    code = "doctor.store-warning" if warnings else "doctor.store-ready"
    return _finding(code, location, warnings=" ".join(warnings))


def chat_finding(platforms: Sequence[str]) -> Finding:
    return _finding("doctor.chat-ready" if platforms else "doctor.chat-none", "chat", platforms=" and ".join(platforms))


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
ROOT = "."  # is signed, so a resolver that does not call its SOA authentic does not validate


async def resolver_findings(servers: Sequence[str], lookup: Lookup) -> list[Finding]:
    """Query names that do not exist, one of them in .com, which rewriting resolvers prefer."""
    nonce, subject = secrets.token_hex(8), " ".join(servers)
    queries = ((f"{nonce}.invalid", "A"), (f"www.{nonce}.com", "A"), (ROOT, "SOA"))
    *nonexistent, root = await asyncio.gather(*(lookup_or_failure(lookup, *query) for query in queries))
    public = [
        _finding("doctor.resolver-public", server, server=server, operator=PUBLIC_RESOLVERS[server])
        for server in servers
        if server in PUBLIC_RESOLVERS
    ]
    return [*public, _rewriting(subject, nonexistent), *_validation(subject, root)]


def _rewriting(subject: str, nonexistent: Sequence[DnsAnswer | LookupFailed]) -> Finding:
    addresses = [reply.records[0] for reply in nonexistent if isinstance(reply, DnsAnswer) and reply.records]
    if addresses:
        return _finding("doctor.resolver-rewrites", subject, address=addresses[0])
    failures = [reply.reason for reply in nonexistent if isinstance(reply, LookupFailed)]
    if len(failures) == len(nonexistent):
        return _finding("doctor.resolver-silent", subject, reason=failures[0])
    return _finding("doctor.resolver-answers", subject)


def _validation(subject: str, root: DnsAnswer | LookupFailed) -> list[Finding]:
    if isinstance(root, LookupFailed):
        return []
    return [_finding("doctor.resolver-validates" if root.authentic else "doctor.resolver-trusts", subject)]


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
    variant = "most" if len(good) * 2 > len(queried) else "" if good else "none"
    rows = [_finding("doctor.lists", "catalogue", variant, working=len(good), count=len(queried))]
    if len(empty) > len(queried) // SUSPICIOUS_SHARE:
        rows.append(_finding("doctor.answers-hidden", "resolver", count=len(empty)))
    elif len(stripped) > len(queried) // SUSPICIOUS_SHARE:
        rows.append(_finding("doctor.answers-stripped", "resolver", count=len(stripped)))
    elif good:
        rows.append(_finding("doctor.answers-arrive", "resolver"))
    others_answer = rows[-1].code != "doctor.answers-hidden"
    return rows + [_spamhaus(item, has_key, others_answer) for item in queried if item.id == SPAMHAUS]


def source_findings(outdated: Sequence[Blocklist]) -> list[Finding]:
    """Judge the age of what the catalog says about its lists."""
    if not outdated:
        return []
    names = ", ".join(blocklist.name for blocklist in outdated[:4])
    more = f" and {len(outdated) - 4} more" if len(outdated) > 4 else ""
    return [_finding("doctor.lists-outdated", "catalogue", lists=names + more)]


def _spamhaus(item: ListStatus, has_key: bool, others_answer: bool) -> Finding:
    """`others_answer`: other lists are not empty, so an empty one is the key's fault."""
    if item.trust is TrustLevel.GOOD:
        return _finding("doctor.key-works" if has_key else "doctor.spamhaus-answers", item.id)
    if has_key and others_answer and item.reason in NO_SUCH_KEY:
        return _finding("doctor.key-refused", item.id, links=(DQS,), reason=item.reason)
    if item.reason in REFUSALS:
        return _finding("doctor.spamhaus-refuses", item.id, links=(DQS,), reason=item.reason)
    if has_key:
        return _finding("doctor.key-not-known", item.id, reason=item.reason)
    return _finding("doctor.spamhaus-silent", item.id, links=(DQS,), reason=item.reason)
