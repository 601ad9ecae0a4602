"""STARTTLS of the mail servers of a domain (RFC 3207), as SMTP probes show it.

Where outgoing port 25 is blocked, as at most clouds, or a server tarpits unknown clients for longer
than a report may take, the result is "not checked", never "no encryption".
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.checks.finding_codes import FindingCode
from bot.checks.lookups import mx_hosts, readable
from bot.inputs.domain_names import display_domain
from bot.models import BulkLookup, CheckRequest, Finding, Lookup, LookupFailed, Verdict
from bot.probe_results import Probe, ProbeError, SmtpProbeResult

# Placeholders: {domain}, {hosts} (mail servers), {first} of them, {tls} (versions), {date}, {why}.
CODES: Mapping[str, FindingCode] = {
    "starttls.ok": FindingCode(
        "The mail servers of the domain that were probed offer STARTTLS with a valid certificate.",
        "RFC 3207 §4",
        verdict=Verdict.PASS,
        summary="The mail servers of {domain} offer {tls} with a valid certificate ({hosts}).",
    ),
    "starttls.missing": FindingCode(
        "A mail server offers no STARTTLS, so mail to it is sent unencrypted.",
        "RFC 3207 §4",
        "Install a certificate on the mail server and enable STARTTLS.",
        verdict=Verdict.WARN,
        summary="{hosts} offers no STARTTLS, so mail for {domain} is sent unencrypted and some senders do not deliver.",
        remediation="Install a certificate on {first} and enable STARTTLS.",
    ),
    "starttls.refused": FindingCode(
        "A mail server offers STARTTLS and rejects the command.",
        "RFC 3207 §4",
        "Look in the log of the mail server for why TLS does not start; often its certificate or key cannot be read.",
        verdict=Verdict.WARN,
        summary="{hosts} offers STARTTLS and then rejects it, so mail for {domain} is sent unencrypted or deferred.",
        remediation="Look in the log of {first} for why TLS does not start; often its certificate or key cannot be "
        "read.",
    ),
    "starttls.broken": FindingCode(
        "A mail server offers STARTTLS and the handshake fails with TLS 1.2 and 1.3.",
        "RFC 8996 §1",
        "Enable TLS 1.2 and 1.3 on the mail server.",
        verdict=Verdict.WARN,
        summary="The TLS handshake with {hosts} fails, so mail for {domain} is sent unencrypted or deferred.",
        remediation="Enable TLS 1.2 and 1.3 on {first}.",
    ),
    "starttls.expired": FindingCode(
        "The certificate of a mail server has expired or is not valid yet.",
        "RFC 5280 §4.1.2.5",
        "Renew the certificate.",
        verdict=Verdict.WARN,
        summary="The certificate of {hosts} is not valid today; senders that require a valid one do not deliver to "
        "{domain}.",
        remediation="Renew the certificate of {first}.",
    ),
    "starttls.wrong-name": FindingCode(
        "The certificate of a mail server does not hold the name in the MX record.",
        "RFC 9525 §6",
        "Install a certificate that holds the name in the MX record.",
        verdict=Verdict.WARN,
        summary="The certificate of {hosts} is for another name; senders that require the right one do not deliver "
        "to {domain}.",
        remediation="Install a certificate that holds the name {first} on that server.",
    ),
    "starttls.untrusted": FindingCode(
        "The certificate of a mail server is self-signed or comes from no public authority.",
        "RFC 5280 §6.1",
        "Install a certificate of a public authority, unless its key is published with DANE.",
        verdict=Verdict.WARN,
        summary="The certificate of {hosts} comes from no public authority; senders that require one do not deliver "
        "to {domain}.",
        remediation="Install a certificate of a public authority on {first}, unless its key is published with DANE.",
    ),
    "starttls.expires-soon": FindingCode(
        "The certificate of a mail server expires within two weeks.",
        "RFC 5280 §4.1.2.5",
        "Renew the certificate before that day.",
        verdict=Verdict.WARN,
        summary="The certificate of {hosts} expires on {date}; after that some senders do not deliver to {domain}.",
        remediation="Renew the certificate of {first} before that day.",
    ),
    "starttls.expires-in-3-days": FindingCode(
        "The certificate of a mail server expires within three days.",
        "RFC 5280 §4.1.2.5",
        "Renew the certificate now.",
        verdict=Verdict.WARN,
        summary="The certificate of {hosts} expires on {date}, in less than three days; after that some senders do not "
        "deliver to {domain}.",
        remediation="Renew the certificate of {first} now.",
    ),
    "starttls.early-data": FindingCode(
        "A mail server sent more after it agreed to TLS and before TLS began (RFC 3207 §5).",
        "RFC 3207 §5",
        "Update the mail software.",
        verdict=Verdict.WARN,
        summary="{hosts} sent plaintext between its STARTTLS reply and the TLS handshake; an attacker on the network "
        "may be injecting commands.",
        remediation="Update the mail software of {first}.",
    ),
    "starttls.no-answer": FindingCode(
        "A probe of a mail server did not finish, or DNS did not answer for the mail servers.",
        "RFC 3207 §4",
        verdict=Verdict.UNKNOWN,
        summary="STARTTLS of {hosts} is not known: {why}.",
        remediation="Check again in a few minutes.",
    ),
    "starttls.no-mail": FindingCode(
        "The domain has no mail server to probe.",
        "RFC 7505 §3",
        verdict=Verdict.PASS,
        summary="{domain} has no mail server, so there is no STARTTLS to check.",
    ),
    "starttls.not-checked": FindingCode(
        "No mail server was probed to the end: probes are off, outgoing port 25 is blocked here, or the servers take "
        "longer than a report waits.",
        "RFC 3207 §4",
        verdict=Verdict.PASS,
        summary="STARTTLS of {domain}: not checked: {why}.",
    ),
}
PROBES_OFF = "probes of mail servers are off"
PORT_25_BLOCKED = "outgoing port 25 is blocked here"
PORT_25_PROBABLY_BLOCKED = "no connection to its mail servers opens, so outgoing port 25 is most likely blocked here"
HOSTS_TOO_SLOW = "its mail servers take longer to answer than a report waits; check again in a minute"
MX_UNANSWERED = "DNS did not answer for its mail servers ({reason})"
PROBE_ERRORS: Mapping[ProbeError, str] = {
    ProbeError.NO_ADDRESS: "its name has no address",
    ProbeError.NO_ANSWER: "DNS did not answer for its address",
    ProbeError.SPECIAL: "its name resolves to an address that is not on the public internet",
    ProbeError.UNREACHABLE: "no connection to it opens",
    ProbeError.TIMEOUT: "it did not answer in time",
    ProbeError.CONNECTION_CLOSED: "it closed the connection",
    ProbeError.TOO_LARGE: "its reply is far too long",
    ProbeError.MALFORMED: "its reply is not SMTP",
    ProbeError.REFUSED: "it rejects the SMTP session from this host",
}
MAX_PROBED_HOSTS = 4
EXPIRY_WARNING, LAST_EXPIRY_WARNING = timedelta(days=14), timedelta(days=3)


CODE_BY_ERROR: Mapping[ProbeError, str] = {
    ProbeError.TLS_REFUSED: "starttls.refused",
    ProbeError.NO_TLS: "starttls.broken",
    ProbeError.EXPIRED: "starttls.expired",
    ProbeError.NOT_YET_VALID: "starttls.expired",
    ProbeError.WRONG_NAME: "starttls.wrong-name",
    ProbeError.SELF_SIGNED: "starttls.untrusted",
    ProbeError.UNTRUSTED: "starttls.untrusted",
}


def utc_now() -> datetime:
    return datetime.now(UTC)


async def check(
    request: CheckRequest,
    lookup: Lookup,
    *,
    probe: Probe | None = None,
    port_open: Callable[[], bool | None] = lambda: None,
    timeout_s: float | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> list[Finding]:
    """Probe up to four mail servers of the target domain concurrently; none without a `probe`.

    `port_open` returns what is known about outgoing port 25 of this host, None if nothing is. With
    `timeout_s` a bulk check probes nothing, and inconclusive servers do not worsen the report.
    """
    domain = request.target.domain
    if domain is None:
        return []
    port_25 = port_open()
    if probe is None or (timeout_s is not None and isinstance(lookup, BulkLookup)):
        return [_finding("starttls.not-checked", domain, why=PROBES_OFF)]
    if port_25 is False:
        return [_finding("starttls.not-checked", domain, why=PORT_25_BLOCKED)]
    try:
        hosts = await mx_hosts(lookup, domain)
    except LookupFailed as error:
        why = MX_UNANSWERED.format(reason=error.reason)
        code = "starttls.no-answer" if timeout_s is None else "starttls.not-checked"
        return [_finding(code, domain, hosts=display_domain(domain), why=why)]
    results = await asyncio.gather(*(_probe_host(probe, host, timeout_s) for host in hosts[:MAX_PROBED_HOSTS]))
    if results and not port_25 and all(result.error is ProbeError.UNREACHABLE for result in results):
        return [_finding("starttls.not-checked", domain, results, why=PORT_25_PROBABLY_BLOCKED)]
    conclusive = [result for result in results if timeout_s is None or _is_conclusive(result)]
    if results and not conclusive:
        is_slow = all(result.error is ProbeError.TIMEOUT for result in results)
        return [_finding("starttls.not-checked", domain, results, **({"why": HOSTS_TOO_SLOW} if is_slow else {}))]
    return judge(domain, conclusive, clock())


async def _probe_host(probe: Probe, host: str, timeout_s: float | None) -> SmtpProbeResult:
    """A probe that times out here may still finish and be cached for the next report."""
    try:
        async with asyncio.timeout(timeout_s):
            return await probe(host)
    except TimeoutError:
        return SmtpProbeResult(host, error=ProbeError.TIMEOUT)


def _is_conclusive(result: SmtpProbeResult) -> bool:
    return result.error is None or result.error in CODE_BY_ERROR


def judge(domain: str, results: Sequence[SmtpProbeResult], checked_at: datetime) -> list[Finding]:
    """Findings about these mail servers; servers with the same result share one."""
    if not results:
        return [_finding("starttls.no-mail", domain)]
    by_code: dict[tuple[str, ProbeError | None], list[SmtpProbeResult]] = defaultdict(list)
    for result in results:
        for code in codes(result, checked_at):
            by_code[code, result.error].append(result)
    return [_finding(code, domain, group) for (code, _), group in by_code.items()]


def codes(result: SmtpProbeResult, checked_at: datetime) -> Iterable[str]:
    """Finding codes of one mail server; `starttls.ok` if there is no other."""
    days_left = result.certificate.expires - checked_at if result.certificate else 2 * EXPIRY_WARNING
    conditions = {
        "starttls.missing": result.offers_tls is False,
        "starttls.early-data": result.early_bytes > 0,
        "starttls.expires-in-3-days": result.error is None and days_left < LAST_EXPIRY_WARNING,
        "starttls.expires-soon": result.error is None and LAST_EXPIRY_WARNING <= days_left < EXPIRY_WARNING,
    }
    holding = [code for code, holds in conditions.items() if holds]
    if result.error:
        holding.insert(0, CODE_BY_ERROR.get(result.error, "starttls.no-answer"))
    return holding or ["starttls.ok"]


def _finding(code: str, domain: str, results: Sequence[SmtpProbeResult] = (), **placeholders: str) -> Finding:
    text = CODES[code]
    values = {"domain": display_domain(domain), **_template_values(results), **placeholders}
    facts = {"servers": [_facts(result) for result in results]}
    return Finding("starttls", domain, text.verdict, code, *text.fill(values), facts)


def _template_values(results: Sequence[SmtpProbeResult]) -> dict[str, str]:
    if not results:
        return {}
    names = [readable(result.name) for result in results]
    expiry_dates = [result.certificate.expires for result in results if result.certificate]
    versions = sorted({result.tls_version.replace("TLSv", "TLS ") for result in results if result.tls_version})
    return {
        "hosts": ", ".join(names),
        "first": names[0],
        "tls": " and ".join(versions),
        "date": f"{min(expiry_dates):%-d %B %Y}" if expiry_dates else "",
        "why": PROBE_ERRORS.get(results[0].error, "") if results[0].error else "",
    }


def _facts(result: SmtpProbeResult) -> dict[str, Any]:
    facts = {
        "name": result.name,
        "ip": str(result.ip) if result.ip else None,
        "greeting": result.greeting,
        "calls_itself": result.ehlo_name,
        "capabilities": list(result.capabilities),
        "tls": result.tls_version,
        "certificate_names": list(result.certificate.names) if result.certificate else [],
        "certificate_expires": result.certificate.expires.isoformat() if result.certificate else None,
        "requires_tls": result.requires_tls or None,
        "trouble": result.error,
        "reply": result.reply,
    }
    return {key: value for key, value in facts.items() if value}
