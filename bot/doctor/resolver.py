"""The resolver in use: is it everybody's, does it invent answers, does it verify DNSSEC?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from bot.checks.questions import ask
from bot.doctor.codes import found
from bot.model import Answer, Finding, Lookup, LookupFailed, Verdict

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
