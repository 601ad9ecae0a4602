"""Is the domain signed with DNSSEC, as far as the resolver says? A fact that DANE builds on, and no fault either way.

Only a validating resolver can tell, and only over a path that nobody else can write to. The root zone is signed, so a
resolver that does not call its answers authentic does not validate.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.checks.finding_codes import Code
from bot.checks.lookups import Reply, ask_all
from bot.inputs.domain_names import shown
from bot.models import Answer, Finding, Lookup, Order, Verdict

CODES: Mapping[str, Code] = {
    "network.dnssec-signed": Code(
        "The resolver has verified the answers about the domain (DNSSEC).", "RFC 4035 §3.2.3"
    ),
    "network.dnssec-unsigned": Code("The resolver verifies what is signed, and the domain is not.", "RFC 4033 §5"),
    "network.dnssec-not-checked": Code(
        "The resolver does not verify DNSSEC, so it is not known whether the domain is signed.", "RFC 4035 §3.2.3"
    ),
}
SAYS: Mapping[str, str] = {
    "network.dnssec-signed": "{domain} is signed with DNSSEC, so nobody on the way can change its records.",
    "network.dnssec-unsigned": "{domain} is not signed with DNSSEC; mail works without it, and DANE does not.",
    "network.dnssec-not-checked": "Whether {domain} is signed with DNSSEC was not checked: this resolver does not verify it.",
}
ROOT = "."


async def check(order: Order, lookup: Lookup) -> list[Finding]:
    """One finding about the order's domain, by the AD bit of its MX answer and of the root's SOA."""
    domain = order.target.domain
    if domain is None:
        return []
    own, root = await ask_all(lookup, [(domain, "MX"), (ROOT, "SOA")])
    code = judge(own, root)
    return [Finding("network", domain, Verdict.PASS, code, SAYS[code].format(domain=shown(domain)))]


def judge(own: Reply, root: Reply) -> str:
    """The code that holds."""
    if _proven(own):
        return "network.dnssec-signed"
    if _proven(root) and isinstance(own, Answer):
        return "network.dnssec-unsigned"
    return "network.dnssec-not-checked"


def _proven(reply: Reply) -> bool:
    return isinstance(reply, Answer) and reply.authentic
