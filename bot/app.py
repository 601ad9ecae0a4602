"""The mail wing put together: every part is made here once, from the settings, and handed to those who need it.

Watching put together: the register, the sweep over it, and the first look of a new watch.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from bot.check_runner import Checkup
from bot.checks import (
    bimi,
    dane,
    dkim,
    dmarc,
    dnssec,
    ip_owner,
    mta_sts,
    mx,
    ptr,
    sender_requirements,
    special_purpose,
    spf,
    starttls,
    tls_rpt,
)
from bot.checks.dnsbl import Memory, ProcessMemory, Standing, blocklist_check, health, load
from bot.checks.dnsbl.catalog import Catalogue
from bot.checks.dnsbl.test_points import Health
from bot.checks.dnsbl.zones import Zone, questions, zones
from bot.checks.rdap import FindContact, Registries
from bot.metrics import Metrics, metrics
from bot.models import Check, Lookup, Report, ServerHealth, Target
from bot.monitoring.dnsbl_quarantine import Used
from bot.monitoring.models import Watch
from bot.monitoring.poll import first_look, for_watching
from bot.monitoring.poller import Sweep, rules_of
from bot.monitoring.query_budget import Rationed, Rations
from bot.monitoring.repository import Register
from bot.net.dns_client import Transport
from bot.net.dns_resolver import Resolver
from bot.net.https_fetch import fetch
from bot.net.nameservers import Server, system_servers
from bot.net.rate_limit import Pace
from bot.net.smtp_probe import Sparing, probe_host
from bot.probe_results import Fetch
from bot.settings import ProbeSmtp, Settings, SettingsError, SpecialAddresses
from bot.storage import StoreUnavailable
from bot.storage.cache import AnswerCache, Remembered, ReportCache
from bot.storage.circuit_breaker import Circuit
from bot.storage.redis_client import Store, connect

log = structlog.get_logger()

BRIEFLY_S = 1.0  # as long as a report waits for a mail server that nobody asked about by name
STANDING_S = 900  # as long as what is known of a list may be believed


@dataclass(frozen=True, slots=True)
class Doors:
    """The ways to other people's servers.

    `probe` is None where port 25 is not to be tried, `patience_s` how long a report waits for it at most.
    """

    fetch: Fetch
    find_contact: FindContact
    probe: Sparing | None = None
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class MailWing:
    """What the front door needs of the mail wing. `store` is None where a check had to do without one."""

    settings: Settings
    servers: tuple[Server, ...]
    catalogue: Catalogue
    keys: Mapping[str, str]
    zones: tuple[Zone, ...]
    resolver: Resolver
    checkup: Checkup
    metrics: Metrics
    store: Store | None
    circuit: Circuit | None
    transport: Transport

    def lists_for(self, target: Target) -> int:
        """How many blocklists a target is asked about."""
        return len(questions(self.zones, target))

    def for_sweep(self, *, fresh: bool = False) -> Checkup:
        """The same checks for any number of targets: people's checks go first, and no report is kept."""
        lookup = self.resolver.sweeping(fresh=fresh)
        return replace(self.checkup, lookup=lookup, fresh_lookup=lookup, reports=None)

    def resolver_health(self) -> list[ServerHealth]:
        """The name servers as this process sees them, in the order of the settings."""
        now_s = asyncio.get_running_loop().time()
        return [upstream.health(now_s) for upstream in self.transport.upstreams]

    def list_health(self) -> AsyncIterator[Health]:
        """What every list says to its own test entries right now, each as it answers."""
        return health(self.catalogue, self.keys, self.resolver.fresh(), now)


@asynccontextmanager
async def mail_wing(settings: Settings, *, needs_store: bool, uses_store: bool = True) -> AsyncIterator[MailWing]:
    """The mail wing for as long as the block runs.

    Without `uses_store` nothing is shared and nothing outlives the process. Raises StoreUnavailable where `needs_store` and Redis cannot be used, CatalogueError where the catalogue is wrong, and
    SettingsError where no name server is known.
    """
    catalogue = load(settings.blocklists)
    servers = _servers(settings)
    identity = " ".join(map(str, servers))
    async with AsyncExitStack() as stack:
        store = await _store(settings, stack, needs_store) if uses_store else None
        keys = _keys(settings)
        transport = await stack.enter_async_context(Transport(servers, paces=_paces(catalogue, keys)))
        circuit = Circuit(store.interactive) if store else None
        answers = AnswerCache(circuit, identity) if circuit else None
        reports = ReportCache(circuit, f"{identity} {settings.blocklists}") if circuit else None
        for cache in (answers, reports):
            if cache:
                stack.push_async_callback(cache.settle)
        resolver = Resolver(transport, identity=identity, shared=answers)
        lists = blocklist_check(catalogue, keys, _memory(circuit, identity), identity, now)
        counted = metrics()
        special_allowed = settings.special_addresses is SpecialAddresses.ALLOW
        checkup = Checkup(
            checks=checks(lists, special_allowed, _doors(resolver, settings.probe_smtp, circuit)),
            about_address=frozenset({"network"}),
            about_name=frozenset({"spf", "dmarc", "mx", "dkim", "dane", "bimi", "tls-rpt", "mta-sts", "starttls"}),
            lookup=resolver,
            fresh_lookup=resolver.fresh(),
            clock=now,
            judge=sender_requirements.judge,
            count=counted.count,
            special_allowed=special_allowed,
            reports=reports,
        )
        asked = zones(catalogue, keys)
        yield MailWing(settings, servers, catalogue, keys, asked, resolver, checkup, counted, store, circuit, transport)


def checks(blocklists: Check, special_allowed: bool, doors: Doors | None = None) -> tuple[tuple[str, Check], ...]:
    """Every check by its name. A new one is a file in `bot/checks/` and a row here.

    Without `doors` nobody's servers are visited: only the checks that DNS can answer are made.
    """
    visits = (
        (
            ("mta-sts", partial(mta_sts.check, fetch=doors.fetch)),
            ("starttls", _starttls(doors)),
        )
        if doors
        else ()
    )
    find_contact = doors.find_contact if doors else None
    return (
        ("network", partial(special_purpose.check, special_allowed=special_allowed)),
        ("blocklist", blocklists),
        ("ptr", ptr.check),
        ("spf", spf.check),
        ("dmarc", dmarc.check),
        ("mx", mx.check),
        ("dkim", dkim.check),
        ("dane", dane.check),
        ("bimi", bimi.bimi_check(dmarc.discover)),
        ("tls-rpt", tls_rpt.check),
        *visits,
        ("network", dnssec.check),
        ("network", partial(ip_owner.check, special_allowed=special_allowed, find_contact=find_contact)),
    )


def _starttls(doors: Doors) -> Check:
    port_open = doors.probe.port_open if doors.probe else lambda: None
    return partial(starttls.check, probe=doors.probe, port_open=port_open, patience_s=doors.patience_s)


def now() -> datetime:
    return datetime.now(UTC)


def _servers(settings: Settings) -> tuple[Server, ...]:
    try:
        return tuple(Server(*pair) for pair in settings.nameservers) or system_servers()
    except ValueError as none:
        raise SettingsError([str(none)]) from None


def _doors(lookup: Lookup, probe_smtp: ProbeSmtp, circuit: Circuit | None) -> Doors:
    fetching = partial(fetch, lookup=lookup)
    registries = Registries(fetching, Remembered(circuit, "registry") if circuit else None)
    probe = Sparing(partial(probe_host, lookup=lookup)) if probe_smtp is not ProbeSmtp.OFF else None
    return Doors(fetching, registries, probe, patience_s=None if probe_smtp is ProbeSmtp.ON else BRIEFLY_S)


async def _store(settings: Settings, stack: AsyncExitStack, needed: bool) -> Store | None:
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    try:
        store = await stack.enter_async_context(connect(url, settings.state_dir))
    except StoreUnavailable as away:
        if needed:
            raise
        log.warning("checking without a store", why=str(away))
        return None
    for warning in store.warnings:
        log.warning("store", says=warning)
    return store


def _keys(settings: Settings) -> dict[str, str]:
    secrets = {"spamhaus": settings.spamhaus_dqs_key, "abusix": settings.abusix_key}
    return {name: secret.get_secret_value() for name, secret in secrets.items() if secret}


def _paces(catalogue: Catalogue, keys: Mapping[str, str]) -> dict[str, Pace]:
    lists = ((zone.apex, zone.blocklist) for zone in zones(catalogue, keys))
    return {apex: Pace(item.per_second, item.per_day) for apex, item in lists if item.per_second or item.per_day}


def _memory(circuit: Circuit | None, identity: str) -> Memory:
    return StandingsInRedis(Remembered(circuit, "standing", identity)) if circuit else ProcessMemory()


class StandingsInRedis:
    """What is known of the lists, shared by every process; a memory of this process stands in while Redis is away."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._here = ProcessMemory()

    async def recall(self, ids: Collection[str], /) -> Mapping[str, Standing]:
        texts = await self._remembered.recall(list(ids))
        shared = {key: Standing.from_json(json.loads(text)) for key, text in texts.items()}
        return {**await self._here.recall(ids), **shared}

    async def remember(self, standings: Mapping[str, Standing], /) -> None:
        await self._here.remember(standings)
        texts = {key: json.dumps(standing.to_json()) for key, standing in standings.items()}
        await self._remembered.remember(texts, STANDING_S)


@dataclass(frozen=True, slots=True)
class Rounds:
    """`register` is for the rounds, `for_people` gives up sooner; both keep the same watches.

    `first_look` takes the reports of a watch that somebody wants; `budgets` is what the watches used of each list today.
    """

    register: Register
    for_people: Register
    sweep: Sweep
    first_look: Callable[[Watch], Awaitable[Sequence[Report]]]
    budgets: Callable[[], Awaitable[Sequence[Used]]]


def rounds(wing: MailWing, store: Store) -> Rounds:
    register, for_people = Register(store.worker, now), Register(store.interactive, now)
    rations = Rations(register.sweeping, wing.zones, now)
    looks = for_watching(
        wing.checkup,
        Rationed(wing.resolver.sweeping(), rations),
        Rationed(wing.resolver.sweeping(fresh=True), rations),
    )
    by_hand = for_watching(wing.checkup, wing.resolver.sweeping(), wing.resolver.sweeping(fresh=True))

    async def look(watch: Watch) -> Sequence[Report]:
        return await first_look(watch, by_hand)

    return Rounds(
        register, for_people, Sweep(register, looks, now, rules_of(wing.settings, wing.zones)), look, rations.used
    )


async def measure(register: Register, metrics: Metrics, at: datetime) -> None:
    """How the watches of all processes are doing. Raises StoreUnavailable."""
    metrics.overdue.set(await register.watches.overdue_s(at.timestamp()))
    metrics.waiting.set(len(await register.rooms()))
    metrics.held.set(len(await register.quarantined()))
