"""The checks of a report: a check is a module or package beside this one, and its row in CHECKS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import partial
from operator import attrgetter

from bot.checks import (
    bimi,
    dane,
    dkim,
    dmarc,
    dnsbl,
    dnssec,
    ip_owner,
    mta_sts,
    mx,
    ptr,
    registration,
    special_purpose,
    spf,
    starttls,
    tls_rpt,
)
from bot.checks.finding_codes import FindingCode
from bot.checks.rdap import AbuseContact, FindContact
from bot.checks.registration import FindRegistration
from bot.models import Address, Check, CheckRequest, Finding, Lookup
from bot.probe_results import Fetch, Probe


class Need(StrEnum):
    """What a check needs beside a DNS lookup.

    Without the ADDRESS, DOMAIN or NAME (domain or HELO name) that it needs, a check is skipped. The
    others are fields of `Clients`, which the function takes as keywords; SPECIAL_ADDRESSES has it run
    for special-purpose addresses, too.
    """

    ADDRESS = "address"
    DOMAIN = "domain"
    NAME = "name"
    SPECIAL_ADDRESSES = "allow_special"
    BLOCKLISTS = "blocklists"
    FETCH = "fetch"
    FIND_CONTACT = "find_contact"
    FIND_REGISTRATION = "find_registration"
    SMTP_PROBE = "smtp_probe"


REQUEST_PARTS = frozenset((Need.ADDRESS, Need.DOMAIN, Need.NAME))


@dataclass(frozen=True, slots=True)
class SmtpProbe:
    """Probe of a mail server; None where port 25 must not be tried.

    `port_open` is what is known about outgoing port 25; a report waits at most `timeout_s`.
    """

    probe: Probe | None = None
    port_open: Callable[[], bool | None] = lambda: None
    timeout_s: float | None = None


async def _no_contact(_registry: str, _prefix: str, _ip: Address) -> AbuseContact | None:
    return None


@dataclass(frozen=True, slots=True)
class Clients:
    """What checks use beside DNS. A check that needs what is None is left out."""

    blocklists: Check
    allow_special: bool = False
    fetch: Fetch | None = None
    find_contact: FindContact = _no_contact
    smtp_probe: SmtpProbe | None = None
    find_registration: FindRegistration | None = None


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One check.

    `id` begins its finding codes; several checks may share it. `title` is its section in
    `docs/checks.md`. `order` is its place in a report, among the problems on a card and on that
    page: by impact on delivery. A watch follows the findings of a `watched` check: at each of its
    polls, or at least once in `watch_every`. `names` is what a card calls its findings, by the id
    that they carry; what has none is not counted as in order.
    """

    id: str
    title: str
    order: int
    function: Callable[..., Awaitable[Sequence[Finding]]]
    needs: Set[Need] = frozenset()
    codes: Mapping[str, FindingCode] = field(default_factory=dict)
    watched: bool = False
    watch_every: timedelta | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def missing_parts(request: CheckRequest) -> Set[Need]:
    """The parts that the request does not have; checks that need one of them do not apply."""
    parts = {
        Need.ADDRESS: request.target.ip,
        Need.DOMAIN: request.target.domain,
        Need.NAME: request.target.domain or request.helo,
    }
    return {need for need, part in parts.items() if part is None}


def bind(clients: Clients) -> tuple[CheckSpec, ...]:
    """The checks with the clients that they need, in report order."""
    bound = []
    for spec in CHECKS:
        keywords = {need.value: getattr(clients, need) for need in spec.needs - REQUEST_PARTS}
        if all(value is not None for value in keywords.values()):
            bound.append(replace(spec, function=partial(spec.function, **keywords)) if keywords else spec)
    return tuple(bound)


async def _check_blocklists(request: CheckRequest, lookup: Lookup, *, blocklists: Check) -> Sequence[Finding]:
    return await blocklists(request, lookup)


async def _check_starttls(request: CheckRequest, lookup: Lookup, *, smtp_probe: SmtpProbe) -> Sequence[Finding]:
    port_open, timeout_s = smtp_probe.port_open, smtp_probe.timeout_s
    return await starttls.check(request, lookup, probe=smtp_probe.probe, port_open=port_open, timeout_s=timeout_s)


NETWORK = "Address and domain"
DAILY = timedelta(hours=24)  # what asks the servers of others, or hardly changes
ROWS = (
    CheckSpec(
        "blocklist",
        "Blocklists",
        10,
        _check_blocklists,
        {Need.BLOCKLISTS},
        dnsbl.CODES,
        watched=True,
        names={"dns": "resolver"},
    ),
    CheckSpec(
        "ptr",
        "PTR and HELO",
        20,
        ptr.check,
        {Need.ADDRESS},
        ptr.CODES,
        watched=True,
        names={"ptr": "PTR", "helo": "HELO name"},
    ),
    CheckSpec("spf", "SPF", 30, spf.check, {Need.NAME}, spf.CODES, watched=True, names={"spf": "SPF"}),
    CheckSpec("dmarc", "DMARC", 40, dmarc.check, {Need.DOMAIN}, dmarc.CODES, watched=True, names={"dmarc": "DMARC"}),
    CheckSpec("mx", "MX", 50, mx.check, {Need.DOMAIN}, mx.CODES, watched=True, names={"mx": "MX"}),
    CheckSpec("dkim", "DKIM", 60, dkim.check, {Need.DOMAIN}, dkim.CODES, watched=True, names={"dkim": "DKIM"}),
    CheckSpec(
        "mta-sts",
        "MTA-STS",
        70,
        mta_sts.check,
        {Need.DOMAIN, Need.FETCH},
        mta_sts.CODES,
        watched=True,
        watch_every=DAILY,
        names={"mta-sts": "MTA-STS"},
    ),
    CheckSpec(
        "starttls",
        "STARTTLS",
        80,
        _check_starttls,
        {Need.DOMAIN, Need.SMTP_PROBE},
        starttls.CODES,
        watched=True,
        watch_every=DAILY,
        names={"starttls": "STARTTLS"},
    ),
    CheckSpec("network", NETWORK, 90, special_purpose.check, {Need.SPECIAL_ADDRESSES}, special_purpose.CODES),
    CheckSpec("network", NETWORK, 91, ip_owner.check, {Need.ADDRESS, Need.FIND_CONTACT}, ip_owner.CODES),
    CheckSpec("network", NETWORK, 92, dnssec.check, {Need.DOMAIN}, dnssec.CODES, watched=True),
    CheckSpec(
        "tls-rpt",
        "TLS reporting",
        100,
        tls_rpt.check,
        {Need.DOMAIN},
        tls_rpt.CODES,
        watched=True,
        names={"tls-rpt": "TLS reports"},
    ),
    CheckSpec("dane", "DANE", 110, dane.check, {Need.DOMAIN}, dane.CODES, watched=True, names={"dane": "DANE"}),
    CheckSpec(
        "bimi",
        "BIMI",
        120,
        bimi.bimi_check(dmarc.discover),
        {Need.DOMAIN},
        bimi.CODES,
        watched=True,
        watch_every=DAILY,
        names={"bimi": "BIMI"},
    ),
    CheckSpec(
        "registration",
        "Domain registration",
        130,
        registration.check,
        {Need.DOMAIN, Need.FIND_REGISTRATION},
        registration.CODES,
        watched=True,
        watch_every=DAILY,
        names={"registration": "domain registration"},
    ),
)
CHECKS = tuple(sorted(ROWS, key=attrgetter("order")))
WATCH_EVERY = {spec.id: spec.watch_every for spec in CHECKS if spec.watched and spec.watch_every}
CHECK_NAMES = {id: name for spec in CHECKS for id, name in spec.names.items()}
CHECK_IDS = tuple(dict.fromkeys(id for spec in CHECKS for id in (spec.id, *spec.names)))
