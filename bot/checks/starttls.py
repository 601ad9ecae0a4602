"""STARTTLS: whether mail for a domain travels encrypted, as its mail servers themselves show it (RFC 3207).

Where outgoing port 25 is shut, as at most clouds, nothing can be seen; and some servers keep strangers waiting for longer than
a report may take. Then it was not checked, which is never "no encryption".
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.checks.finding_codes import Code, Outcome
from bot.checks.lookups import exchanges, readable
from bot.inputs.domain_names import shown
from bot.models import Finding, Lookup, LookupFailed, Order, SweepLookup, Verdict
from bot.probe_results import WORDS, Probe, SmtpFacts, Trouble

CODES: Mapping[str, Code] = {
    "starttls.ok": Code(
        "The mail servers of the domain that were asked take mail over TLS, with a valid certificate.", "RFC 3207 §4"
    ),
    "starttls.missing": Code(
        "A mail server offers no STARTTLS, so mail to it travels in clear.",
        "RFC 3207 §4",
        "Install a certificate on the mail server and switch STARTTLS on.",
    ),
    "starttls.refused": Code(
        "A mail server offers STARTTLS and refuses it when it is asked for.",
        "RFC 3207 §4",
        "Look in the log of the mail server for why TLS does not start; often its certificate or key cannot be read.",
    ),
    "starttls.broken": Code(
        "A mail server offers STARTTLS and no encrypted connection comes about, with TLS 1.2 or 1.3.",
        "RFC 8996 §1",
        "Let the mail server speak TLS 1.2 and 1.3.",
    ),
    "starttls.expired": Code(
        "The certificate of a mail server has expired or is not valid yet.",
        "RFC 5280 §4.1.2.5",
        "Renew the certificate.",
    ),
    "starttls.wrong-name": Code(
        "The certificate of a mail server does not hold the name in the MX record.",
        "RFC 9525 §6",
        "Give the mail server a certificate that holds the name in the MX record.",
    ),
    "starttls.untrusted": Code(
        "The certificate of a mail server is self-signed, or comes from nobody that the public trusts.",
        "RFC 5280 §6.1",
        "Give the mail server a certificate of a public authority, unless its key is published with DANE.",
    ),
    "starttls.expires-soon": Code(
        "The certificate of a mail server expires within two weeks.",
        "RFC 5280 §4.1.2.5",
        "Renew the certificate before that day.",
    ),
    "starttls.early-data": Code(
        "A mail server had sent more after it agreed to TLS and before TLS began (RFC 3207 §5).",
        "RFC 3207 §5",
        "Bring the mail software up to date.",
    ),
    "starttls.no-answer": Code(
        "A mail server could not be asked to the end, or the DNS did not answer for the mail servers.",
        "RFC 3207 §4",
        "Check again in a few minutes.",
    ),
    "starttls.no-mail": Code("The domain has no mail server to ask.", "RFC 7505 §3"),
    "starttls.not-checked": Code(
        "The mail servers showed nothing: probes are off, outgoing port 25 is shut here, or they take longer than a report waits.",
        "RFC 3207 §4",
    ),
}
MOST_PROBED = 4
SOON = timedelta(days=14)
OFF = "the probe of mail servers is off"
SHUT = "outgoing port 25 is shut here"
SLOW = "its mail servers take longer to answer than this report waits; check again in a minute"
SEEMS_SHUT = "no connection to its mail servers opens, so outgoing port 25 is most likely shut here"


# The texts take {domain}, {hosts} (mail servers), {first} of them, {tls}, {date} and {why}.
OUTCOMES: Mapping[str, Outcome] = {
    "starttls.ok": Outcome(Verdict.PASS, "Mail for {domain} is taken over {tls} with a valid certificate ({hosts})."),
    "starttls.missing": Outcome(
        Verdict.WARN,
        "{domain} takes mail in clear at {hosts} (no STARTTLS), so it can be read on its way, and some senders refuse to send it.",
        "Install a certificate on {first} and switch STARTTLS on.",
    ),
    "starttls.refused": Outcome(
        Verdict.WARN,
        "STARTTLS is offered and then refused by {hosts}, so mail for {domain} travels in clear or waits.",
        "Look in the log of {first} for why TLS does not start; often its certificate or key cannot be read.",
    ),
    "starttls.broken": Outcome(
        Verdict.WARN,
        "No encrypted connection to {hosts} comes about, so mail for {domain} travels in clear or waits.",
        "Let {first} speak TLS 1.2 and 1.3.",
    ),
    "starttls.expired": Outcome(
        Verdict.WARN,
        "The certificate of {hosts} is not valid today; senders that insist on a valid one do not deliver to {domain}.",
        "Renew the certificate of {first}.",
    ),
    "starttls.wrong-name": Outcome(
        Verdict.WARN,
        "The certificate of {hosts} is for another name; senders that insist on the right one do not deliver to {domain}.",
        "Give {first} a certificate that holds the name {first}.",
    ),
    "starttls.untrusted": Outcome(
        Verdict.WARN,
        "The certificate of {hosts} comes from nobody that the public trusts; senders that insist on that do not deliver to {domain}.",
        "Give {first} a certificate of a public authority, unless its key is published with DANE.",
    ),
    "starttls.expires-soon": Outcome(
        Verdict.WARN,
        "The certificate of {hosts} expires on {date}; after that some senders do not deliver to {domain}.",
        "Renew the certificate of {first} before that day.",
    ),
    "starttls.early-data": Outcome(
        Verdict.WARN,
        "Words came from {hosts} where encryption should have begun; somebody on the way may be slipping them into the conversation.",
        "Bring the mail software of {first} up to date.",
    ),
    "starttls.no-answer": Outcome(
        Verdict.UNKNOWN,
        "Whether {domain} takes mail over TLS is not known for {hosts}: {why}.",
        "Check again in a few minutes.",
    ),
    "starttls.no-mail": Outcome(Verdict.PASS, "{domain} has no mail server, so there is no encryption to look at."),
    "starttls.not-checked": Outcome(Verdict.PASS, "Whether {domain} takes mail over TLS was not checked: {why}."),
}
ENDINGS: Mapping[Trouble, str] = {
    Trouble.TLS_REFUSED: "starttls.refused",
    Trouble.NO_TLS: "starttls.broken",
    Trouble.EXPIRED: "starttls.expired",
    Trouble.NOT_YET_VALID: "starttls.expired",
    Trouble.WRONG_NAME: "starttls.wrong-name",
    Trouble.SELF_SIGNED: "starttls.untrusted",
    Trouble.UNTRUSTED: "starttls.untrusted",
}


def now() -> datetime:
    return datetime.now(UTC)


async def check(
    order: Order,
    lookup: Lookup,
    *,
    probe: Probe | None = None,
    port_open: Callable[[], bool | None] = lambda: None,
    patience_s: float | None = None,
    clock: Callable[[], datetime] = now,
) -> list[Finding]:
    """Findings about up to four mail servers of the order's domain, all asked at once; without a `probe` none is.

    `port_open` says what is known about outgoing port 25 of this host; None where nothing is. With `patience_s` nothing is
    waited for any longer, a sweep visits nobody, and servers that showed nothing about TLS leave the report as it is.
    """
    domain = order.target.domain
    if domain is None:
        return []
    known = port_open()
    if probe is None or (patience_s is not None and isinstance(lookup, SweepLookup)):
        return [_finding("starttls.not-checked", domain, why=OFF)]
    if known is False:
        return [_finding("starttls.not-checked", domain, why=SHUT)]
    try:
        servers = await exchanges(lookup, domain)
    except LookupFailed as failed:
        why = f"the DNS did not answer about its mail servers ({failed.reason})"
        code = "starttls.no-answer" if patience_s is None else "starttls.not-checked"
        return [_finding(code, domain, hosts=shown(domain), why=why)]
    visits = await asyncio.gather(*(_visit(probe, server, patience_s) for server in servers[:MOST_PROBED]))
    if visits and not known and all(visit.trouble is Trouble.UNREACHABLE for visit in visits):
        return [_finding("starttls.not-checked", domain, visits, why=SEEMS_SHUT)]
    telling = [visit for visit in visits if patience_s is None or _tells(visit)]
    if visits and not telling:
        slow = all(visit.trouble is Trouble.TIMEOUT for visit in visits)
        return [_finding("starttls.not-checked", domain, visits, **({"why": SLOW} if slow else {}))]
    return judge(domain, telling, clock())


async def _visit(probe: Probe, server: str, patience_s: float | None) -> SmtpFacts:
    """A visit that is not waited for may still come to its end, and be there for the next report."""
    try:
        async with asyncio.timeout(patience_s):
            return await probe(server)
    except TimeoutError:
        return SmtpFacts(server, trouble=Trouble.TIMEOUT)


def _tells(visit: SmtpFacts) -> bool:
    return visit.trouble is None or visit.trouble in ENDINGS


def judge(domain: str, visits: Sequence[SmtpFacts], today: datetime) -> list[Finding]:
    """What holds about these mail servers: servers of which the same is to be said share a finding."""
    if not visits:
        return [_finding("starttls.no-mail", domain)]
    found: dict[tuple[str, Trouble | None], list[SmtpFacts]] = defaultdict(list)
    for visit in visits:
        for code in codes(visit, today):
            found[code, visit.trouble].append(visit)
    return [_finding(code, domain, alike) for (code, _), alike in found.items()]


def codes(visit: SmtpFacts, today: datetime) -> Iterable[str]:
    """What holds about one mail server; `starttls.ok` where nothing else does."""
    ends = visit.certificate.expires if visit.certificate else today + 2 * SOON
    holds = {
        "starttls.missing": visit.offers_tls is False,
        "starttls.early-data": visit.early_octets > 0,
        "starttls.expires-soon": visit.trouble is None and ends < today + SOON,
    }
    found = [code for code, is_so in holds.items() if is_so]
    if visit.trouble:
        found.insert(0, ENDINGS.get(visit.trouble, "starttls.no-answer"))
    return found or ["starttls.ok"]


def _finding(code: str, domain: str, visits: Sequence[SmtpFacts] = (), **words: str) -> Finding:
    outcome = OUTCOMES[code]
    known = {"domain": shown(domain), **_words(visits), **words}
    says, step = outcome.says.format_map(known), outcome.step.format_map(known)
    return Finding(
        "starttls", domain, outcome.verdict, code, says, step, {"servers": [_facts(visit) for visit in visits]}
    )


def _words(visits: Sequence[SmtpFacts]) -> dict[str, str]:
    if not visits:
        return {}
    names = [readable(visit.name) for visit in visits]
    ends = [visit.certificate.expires for visit in visits if visit.certificate]
    versions = sorted({visit.tls_version.replace("TLSv", "TLS ") for visit in visits if visit.tls_version})
    return {
        "hosts": ", ".join(names),
        "first": names[0],
        "tls": " and ".join(versions),
        "date": f"{min(ends):%-d %B %Y}" if ends else "",
        "why": WORDS[visits[0].trouble] if visits[0].trouble else "",
    }


def _facts(visit: SmtpFacts) -> dict[str, Any]:
    facts = {
        "name": visit.name,
        "ip": str(visit.ip) if visit.ip else None,
        "greeting": visit.greeting,
        "calls_itself": visit.calls_itself,
        "capabilities": list(visit.capabilities),
        "tls": visit.tls_version,
        "certificate_names": list(visit.certificate.names) if visit.certificate else [],
        "certificate_expires": visit.certificate.expires.isoformat() if visit.certificate else None,
        "requires_tls": visit.requires_tls or None,
        "trouble": visit.trouble,
        "reply": visit.reply,
    }
    return {key: value for key, value in facts.items() if value}
