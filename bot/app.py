"""Composition root of the core: builds every part once from the settings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

import structlog
from redis.asyncio import Redis

from bot.check_runner import CheckRunner
from bot.checks import sender_requirements
from bot.checks.dnsbl import InMemoryTrustCache, ListTrust, TrustCache, blocklist_check, list_statuses, load
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.dnsbl.test_points import ListStatus
from bot.checks.dnsbl.zones import Zone, usable_zones
from bot.checks.rdap import RdapClient
from bot.checks.registry import Clients, SmtpProbe, bind
from bot.metrics import Metrics, build_metrics
from bot.models import BulkLookup, Check, Lookup, Report, ServerHealth
from bot.monitoring.dnsbl_quarantine import QueryUsage
from bot.monitoring.models import Watch
from bot.monitoring.people_budget import DAY_LIMIT, ChunkedTokens, PeopleBudget, charged_check
from bot.monitoring.poll import PollRunner, monitoring_runner, run_first_poll
from bot.monitoring.poll_health import PollMonitor
from bot.monitoring.poller import Poller
from bot.monitoring.poller_config import poller_config
from bot.monitoring.query_budget import BudgetedLookup, QueryBudget
from bot.monitoring.repository import RedisRepository
from bot.monitoring.shared_probes import SharedProbes
from bot.net.dns_client import DnsClient
from bot.net.dns_query import RateLimit
from bot.net.dns_resolver import Querier, Resolver
from bot.net.https_fetch import fetch
from bot.net.nameservers import Server, system_servers
from bot.net.polite_fetch import PoliteFetch
from bot.net.smtp_probe import SmtpProbeCache, probe_host
from bot.net.zone_routing import RoutedClient
from bot.settings import ProbeSmtp, Settings, SettingsError, SpecialAddresses, nameserver
from bot.storage import StoreUnavailable
from bot.storage.cache import AnswerCache, RedisTextCache, ReportCache
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.day_budget import DayBudgetStore, DayFile
from bot.storage.redis_client import RedisConnection, connect
from bot.storage.redis_clock import RedisClock, redis_clock
from bot.storage.unreadable import UNREADABLE_ERRORS, UnreadableValues

log = structlog.get_logger()

MAX_REGISTRY_BYTES = 1 << 20
BRIEF_PROBE_TIMEOUT_S = 1.0  # how long a report waits for SMTP probes unless they are switched on
LIST_TRUST_TTL_S = 900
DAY_FILE = "day-limits.json"  # in the state directory, where no store is reachable


@dataclass(frozen=True, slots=True)
class Core:
    """The running core. `store` is None where Redis is not used or not available; `clock` is then the wall clock."""

    settings: Settings
    nameservers: tuple[Server, ...]
    catalog: Catalog
    keys: Mapping[str, str]
    zones: tuple[Zone, ...]
    resolver: Resolver
    check_runner: CheckRunner
    metrics: Metrics
    store: RedisConnection | None
    breaker: CircuitBreaker
    dns_client: DnsClient
    clock: RedisClock
    people_budget: PeopleBudget
    clients: Clients

    def bulk_runner(self, *, fresh: bool = False) -> CheckRunner:
        """The checks for bulk runs: interactive queries go first, and reports are not cached."""
        lookup = self.charged_bulk(ChunkedTokens(self.people_budget, ""), fresh=fresh)
        return replace(self.check_runner, lookup=lookup, fresh_lookup=lookup, reports=None)

    def charged_bulk(self, tokens: ChunkedTokens, *, fresh: bool = False) -> BulkLookup:
        """A bulk lookup of people, charged to the daily limits of lists."""
        return BudgetedLookup(self.resolver.bulk(fresh=fresh), tokens, DAY_LIMIT)

    def resolver_health(self) -> list[ServerHealth]:
        """State of each name server, in the order of the settings."""
        now_s = asyncio.get_running_loop().time()
        return [upstream.health(now_s) for upstream in self.dns_client.upstreams]

    def list_status(self) -> AsyncIterator[ListStatus]:
        """Query the test points of every list; yields each as it completes."""
        return list_statuses(self.catalog, self.keys, self.resolver.fresh(), self.clock)


@asynccontextmanager
async def open_core(settings: Settings, *, needs_store: bool, uses_store: bool = True) -> AsyncIterator[Core]:
    """Build the core and run it until the block ends.

    Without `uses_store` nothing is shared between processes. Raises StoreUnavailable where
    `needs_store` and Redis cannot be used, DataFileError for a wrong catalog, and SettingsError
    where no name server is known.
    """
    catalog = load(settings.blocklists)
    nameservers = _nameservers(settings)
    identity = _identity(nameservers, catalog)
    async with AsyncExitStack() as stack:
        store = await _store(settings, stack, needs_store) if uses_store else None
        keys, clock = _keys(settings), await _clock(store)
        zones = usable_zones(catalog, keys)
        dns_client = await stack.enter_async_context(DnsClient(nameservers, rate_limits=_rate_limits(zones)))
        querier = await _routed(dns_client, zones, stack)
        breaker, redis = CircuitBreaker(), store.interactive if store else None
        answers = AnswerCache(redis, breaker, identity, keys.values()) if redis else None
        views = " ".join(zone.trust_key(identity) for zone in zones)
        reports = ReportCache(redis, breaker, f"{views} {settings.blocklists}") if redis else None
        for cache in (answers, reports):
            if cache:
                stack.push_async_callback(cache.flush)
        resolver = Resolver(querier, identity=identity, shared_cache=answers)
        lists = blocklist_check(catalog, keys, _trust_cache(redis, breaker, identity), identity, clock)
        day_store = DayBudgetStore(redis) if redis else None
        people = PeopleBudget(zones, day_store, breaker, DayFile(settings.state_dir / DAY_FILE), clock)
        lists = charged_check(lists, zones, people)
        registry = build_metrics()
        special_allowed = settings.special_addresses is SpecialAddresses.ALLOW
        clients = _clients(lists, special_allowed, resolver, settings.probe_smtp, redis, breaker)
        check_runner = CheckRunner(
            checks=bind(clients),
            lookup=resolver,
            fresh_lookup=resolver.fresh(),
            clock=clock,
            judge=sender_requirements.judge,
            on_report=registry.record_report,
            allow_special=special_allowed,
            reports=reports,
        )
        parts = (settings, nameservers, catalog, keys, zones, resolver)
        yield Core(*parts, check_runner, registry, store, breaker, dns_client, clock, people, clients)


async def _clock(store: RedisConnection | None) -> RedisClock:
    if store is None:
        return RedisClock(None)
    clock = redis_clock(store.interactive)
    with suppress(StoreUnavailable):  # the wall clock, until the store answers
        await clock.correct()
    return clock


def _nameservers(settings: Settings) -> tuple[Server, ...]:
    try:
        return tuple(Server(*pair) for pair in settings.nameservers) or system_servers()
    except ValueError as error:
        raise SettingsError([str(error)]) from None


def _clients(
    blocklists: Check,
    allow_special: bool,
    lookup: Lookup,
    probe_smtp: ProbeSmtp,
    redis: Redis | None,
    breaker: CircuitBreaker,
) -> Clients:
    guarded_fetch = partial(fetch, lookup=lookup)
    registries = RdapClient(PoliteFetch(guarded_fetch), RedisTextCache(redis, breaker, "registry") if redis else None)
    return Clients(blocklists, allow_special, guarded_fetch, registries, _smtp_probe(lookup, probe_smtp))


def _smtp_probe(lookup: Lookup, probe_smtp: ProbeSmtp) -> SmtpProbe:
    """A report waits for probes only a moment unless they are switched on."""
    timeout_s = None if probe_smtp is ProbeSmtp.ON else BRIEF_PROBE_TIMEOUT_S
    if probe_smtp is ProbeSmtp.OFF:
        return SmtpProbe(timeout_s=timeout_s)
    probe = SmtpProbeCache(partial(probe_host, lookup=lookup))
    return SmtpProbe(probe, probe.port_open, timeout_s)


async def _store(settings: Settings, stack: AsyncExitStack, needed: bool) -> RedisConnection | None:
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    try:
        store = await stack.enter_async_context(connect(url, settings.state_dir))
    except StoreUnavailable as error:
        if needed:
            raise
        log.warning("store unavailable, continuing without it", reason=str(error))
        return None
    for warning in store.warnings:
        log.warning("store", warning=warning)
    return store


def _keys(settings: Settings) -> dict[str, str]:
    secrets = {**settings.list_keys, "spamhaus": settings.spamhaus_dqs_key or settings.list_keys.get("spamhaus")}
    secrets["abusix"] = settings.abusix_key or settings.list_keys.get("abusix")
    return {name: secret.get_secret_value() for name, secret in secrets.items() if secret}


def _identity(nameservers: Sequence[Server], catalog: Catalog) -> str:
    """What answers come from: the resolver, and the name servers of single lists."""
    own = (f"{blocklist.zone}@{blocklist.server}" for blocklist in catalog.lists if blocklist.server)
    return " ".join((*map(str, nameservers), *own))


async def _routed(client: DnsClient, zones: Sequence[Zone], stack: AsyncExitStack) -> Querier:
    """A client that asks the lists with a name server of their own there; the operator may name private ones."""
    servers = dict.fromkeys(zone.blocklist.server for zone in zones if zone.blocklist.server)
    if not servers:
        return client
    clients = {
        server: await stack.enter_async_context(
            DnsClient([Server(*nameserver(server))], rate_limits=_rate_limits(zones))
        )
        for server in servers
    }
    routes = {zone.apex.lower(): clients[zone.blocklist.server] for zone in zones if zone.blocklist.server}
    return RoutedClient(client, routes)


def _rate_limits(zones: Sequence[Zone]) -> dict[str, RateLimit]:
    lists = ((zone.apex, zone.blocklist) for zone in zones)
    return {apex: RateLimit(item.per_second, item.per_day) for apex, item in lists if item.per_second or item.per_day}


def _trust_cache(redis: Redis | None, breaker: CircuitBreaker, identity: str) -> TrustCache:
    if redis is None:
        return InMemoryTrustCache()
    return SharedTrustCache(RedisTextCache(redis, breaker, "standing", identity))


class SharedTrustCache:
    """List trust shared by all processes, with an in-process copy while Redis is unavailable."""

    def __init__(self, remembered: RedisTextCache) -> None:
        self._shared = remembered
        self._local = InMemoryTrustCache()

    async def get_many(self, ids: Collection[str], /) -> Mapping[str, ListTrust]:
        texts = await self._shared.get_many(list(ids))
        shared: dict[str, ListTrust] = {}
        for key, text in texts.items():
            with suppress(*UNREADABLE_ERRORS):  # judged anew
                shared[key] = ListTrust.from_json(json.loads(text))
        return {**await self._local.get_many(ids), **shared}

    async def set_many(self, trusts: Mapping[str, ListTrust], /) -> None:
        await self._local.set_many(trusts)
        texts = {key: json.dumps(trust.to_json()) for key, trust in trusts.items()}
        await self._shared.set_many(texts, LIST_TRUST_TTL_S)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The parts of monitoring.

    `repository` serves the poller; `interactive` reads and writes the same watches with short
    timeouts. `first_poll` makes the reports of a new watch; `budgets` is today's use of each list,
    `poll_monitor` says whether watching goes on.
    """

    repository: RedisRepository
    interactive: RedisRepository
    poller: Poller
    first_poll: Callable[[Watch], Awaitable[Sequence[Report]]]
    budgets: Callable[[], Awaitable[Sequence[QueryUsage]]]
    poll_monitor: PollMonitor


def build_monitoring(core: Core, store: RedisConnection) -> Monitoring:
    clock = core.clock
    unreadable = UnreadableValues(store.worker, lambda kind: core.metrics.unreadable_values.labels(kind=kind).inc())
    repository, interactive = (RedisRepository(redis, clock, unreadable) for redis in (store.worker, store.interactive))
    budget = QueryBudget(repository.polls, core.zones, clock, people=DayBudgetStore(store.worker, unreadable))
    probes = _shared_probes(core, store)
    lookups = (BudgetedLookup(core.resolver.bulk(), budget), BudgetedLookup(core.resolver.bulk(fresh=True), budget))
    checks, confirming_checks = (
        bind(shared.clients(core.clients)) for shared in (probes, probes.confirming(core.settings.confirm_after))
    )
    poll_runner = PollRunner(
        monitoring_runner(core.check_runner, *lookups, checks),
        monitoring_runner(core.check_runner, *lookups, confirming_checks),
    )

    async def first_poll(watch: Watch) -> Sequence[Report]:
        tokens = ChunkedTokens(core.people_budget, f"{watch.channel.platform}/{watch.channel.workspace}")
        people_lookups = (core.charged_bulk(tokens), core.charged_bulk(tokens, fresh=True))
        return await run_first_poll(watch, monitoring_runner(core.check_runner, *people_lookups, checks))

    return Monitoring(
        repository,
        interactive,
        Poller(repository, poll_runner, clock, poller_config(core.settings, core.zones, core.resolver.fresh())),
        first_poll,
        budget.usage,
        PollMonitor(interactive, clock, clock()),
    )


def _shared_probes(core: Core, store: RedisConnection) -> SharedProbes:
    """What watches ask of web and mail servers and of registries, whose lists are longer than pages."""
    fetch_page = partial(fetch, lookup=core.resolver)
    fetch_registry = PoliteFetch(partial(fetch_page, max_bytes=MAX_REGISTRY_BYTES))
    smtp_probe = None
    if core.settings.probe_smtp is not ProbeSmtp.OFF:
        probe = SmtpProbeCache(
            partial(probe_host, lookup=core.resolver), ttl_s=core.settings.confirm_after.total_seconds() / 2
        )
        smtp_probe = SmtpProbe(probe, probe.port_open)
    cache = RedisTextCache(store.worker, core.breaker, "probe")
    return SharedProbes.build(fetch_page, fetch_registry, smtp_probe, cache, core.clock)


async def update_gauges(monitor: PollMonitor, metrics: Metrics) -> None:
    """Set the gauges of monitoring. Raises StoreUnavailable."""
    health, repository = await monitor.read(), monitor.repository
    metrics.poll_overdue_s.set(health.overdue_s)
    metrics.last_poll_age_s.set(health.last_poll_age_s)
    metrics.channels_waiting.set(len(await repository.ready_channels()))
    metrics.lists_quarantined.set(len(await repository.quarantined_lists()))
