"""Registration of a domain: when it expires, from the RDAP service of its registry (RFC 9082, RFC 9083).

A watch asks once a day. A report does not: registries limit how often they are asked.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

from bot.checks.finding_codes import FindingCode
from bot.inputs.domain_names import display_domain, registered_domain
from bot.models import CheckRequest, Finding, Lookup, Verdict
from bot.probe_results import Fetch, HttpPage, ProbeError, ProbeFailed

# Placeholders: {domain} (as registered), {date}.
CODES: Mapping[str, FindingCode] = {
    "registration.ok": FindingCode(
        "The registration of the domain does not expire in the next 30 days.",
        "RFC 9083 §4.5",
        verdict=Verdict.PASS,
        summary="The registration of {domain} runs until {date}.",
    ),
    "registration.expires-soon": FindingCode(
        "The registration of the domain expires within 30 days.",
        "RFC 9083 §4.5",
        "Renew the domain at its registrar, or check that it renews automatically.",
        verdict=Verdict.WARN,
        summary="The registration of {domain} expires on {date}; after that its mail and website stop.",
        remediation="Renew {domain} at its registrar, or check that it renews automatically.",
    ),
    "registration.expires-this-week": FindingCode(
        "The registration of the domain expires within 7 days.",
        "RFC 9083 §4.5",
        "Renew the domain at its registrar now.",
        verdict=Verdict.FAIL,
        summary="The registration of {domain} expires on {date}, in less than a week; after that its mail and website "
        "stop.",
        remediation="Renew {domain} at its registrar now.",
    ),
    "registration.expired": FindingCode(
        "The registration of the domain has expired, or the registry is about to delete it.",
        "RFC 9083 §4.5, RFC 8056 §2",
        "Renew the domain at its registrar now; while it is in redemption, only that registrar can restore it.",
        verdict=Verdict.FAIL,
        summary="The registration of {domain} has expired; anybody can register it once the registry deletes it.",
        remediation="Renew {domain} at its registrar now; while it is in redemption, only that registrar can "
        "restore it.",
    ),
    "registration.not-published": FindingCode(
        "The registry publishes no expiry date, as with most country domains.",
        "RFC 9224 §4",
        verdict=Verdict.PASS,
        summary="The registry of {domain} publishes no expiry date.",
    ),
    "registration.no-answer": FindingCode(
        "The RDAP service of the registry did not answer.",
        "RFC 9082 §3.1.3",
        verdict=Verdict.UNKNOWN,
        summary="The registry of {domain} did not answer, so its expiry date is not known.",
        remediation="Check again tomorrow.",
    ),
}
EXPIRY_WARNING, LAST_WARNING = timedelta(days=30), timedelta(days=7)
ENDING = frozenset({"redemption period", "pending delete"})  # RFC 8056 §2
BOOTSTRAP_URL = "https://data.iana.org/rdap/dns.json"  # RFC 9224 §3
MAX_REDIRECTS = 2


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registry says of a domain; `expires` is None where it does not say."""

    expires: datetime | None = None
    statuses: tuple[str, ...] = ()


FindRegistration = Callable[[str], Awaitable[Registration]]  # by registered domain; raises ProbeFailed


def utc_now() -> datetime:
    return datetime.now(UTC)


async def check(
    request: CheckRequest,
    _lookup: Lookup,
    *,
    find_registration: FindRegistration,
    clock: Callable[[], datetime] = utc_now,
) -> list[Finding]:
    """One finding about the registered domain above the target domain."""
    domain = registered_domain(request.target.domain) if request.target.domain else None
    if domain is None:
        return []
    try:
        registration = await find_registration(domain)
    except ProbeFailed:
        return [_finding("registration.no-answer", domain)]
    return [_finding(judge(registration, clock()), domain, registration)]


def judge(registration: Registration, now: datetime) -> str:
    """The finding code."""
    if not ENDING.isdisjoint(registration.statuses):
        return "registration.expired"
    if registration.expires is None:
        return "registration.not-published"
    days_left = registration.expires - now
    limits = {
        "registration.expired": timedelta(0),
        "registration.expires-this-week": LAST_WARNING,
        "registration.expires-soon": EXPIRY_WARNING,
    }
    return next((code for code, limit in limits.items() if days_left <= limit), "registration.ok")


async def request_registration(domain: str, servers: Mapping[str, str], fetch: Fetch) -> Registration:
    """Ask the RDAP service of the domain's registry; without one, nothing is known. Raises ProbeFailed."""
    server = servers.get(domain.rpartition(".")[2])
    if server is None:
        return Registration()
    url = urljoin(server, f"domain/{domain}")
    for _ in range(MAX_REDIRECTS):
        try:
            return parse_registration(await fetch(url))
        except ProbeFailed as error:
            if error.error is not ProbeError.REDIRECT:
                raise
            url = urljoin(url, error.detail)
    return parse_registration(await fetch(url))


def parse_registration(page: HttpPage) -> Registration:
    """Parse an RDAP response about a domain. Raises ProbeFailed(MALFORMED)."""
    document = _json_object(page)
    dates = [
        date
        for event in _list(document, "events")
        if isinstance(event, dict) and event.get("eventAction") == "expiration"
        if (date := _parse_date(event.get("eventDate")))
    ]
    statuses = tuple(status for status in _list(document, "status") if status in ENDING)
    return Registration(max(dates, default=None), statuses)


def parse_servers(page: HttpPage) -> dict[str, str]:
    """RDAP services by top-level domain, from IANA's bootstrap file (RFC 9224 §3). Raises ProbeFailed(MALFORMED)."""
    servers: dict[str, str] = {}
    for service in _list(_json_object(page), "services"):
        labels, urls = service if isinstance(service, list) and len(service) == 2 else ((), ())
        secure = [url for url in urls if str(url).startswith("https://")] if isinstance(urls, list) else []
        if secure and isinstance(labels, list):
            servers |= dict.fromkeys(map(str, labels), f"{str(secure[0]).rstrip('/')}/")
    return servers


def _json_object(page: HttpPage) -> Mapping[str, Any]:
    try:
        document = json.loads(page.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProbeFailed(ProbeError.MALFORMED, "no RDAP")
    return document


def _list(document: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _parse_date(text: object) -> datetime | None:
    """An RFC 3339 date; None for anything else."""
    try:
        date = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _finding(code: str, domain: str, registration: Registration | None = None) -> Finding:
    text = CODES[code]
    expires = registration.expires if registration else None
    date = f"{expires:%-d %B %Y}" if expires else ""
    facts = {"domain": domain, "expires": expires.isoformat() if expires else None}
    return Finding(
        "registration", domain, text.verdict, code, *text.fill({"domain": display_domain(domain), "date": date}), facts
    )
