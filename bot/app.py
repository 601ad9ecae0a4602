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
from bot.checks.dnsbl import InMemoryTrustCache, ListTrust, TrustCache, blocklist_check, list_statuses, load
from bot.checks.dnsbl.catalog import Catalog
from bot.checks.dnsbl.test_points import ListStatus
from bot.checks.dnsbl.zones import Zone, list_queries, usable_zones
from bot.checks.rdap import FindContact, RdapClient
from bot.metrics import Metrics, build_metrics
from bot.models import Check, Lookup, Report, ServerHealth, Target
from bot.monitoring.dnsbl_quarantine import QueryUsage
from bot.monitoring.models import Watch
from bot.monitoring.poll import monitoring_runner, run_first_poll
from bot.monitoring.poll_health import PollMonitor
from bot.monitoring.poller import Poller, poller_config
from bot.monitoring.query_budget import BudgetedLookup, QueryBudget
from bot.monitoring.repository import RedisRepository
from bot.net.dns_client import DnsClient
from bot.net.dns_query import RateLimit
from bot.net.dns_resolver import Resolver
from bot.net.https_fetch import fetch
from bot.net.nameservers import Server, system_servers
from bot.net.smtp_probe import SmtpProbeCache, probe_host
from bot.probe_results import Fetch
from bot.settings import ProbeSmtp, Settings, SettingsError, SpecialAddresses
from bot.storage import StoreUnavailable
from bot.storage.cache import AnswerCache, RedisTextCache, ReportCache
from bot.storage.circuit_breaker import CircuitBreaker
from bot.storage.redis_client import RedisConnection, connect
from bot.storage.redis_clock import RedisClock, redis_clock
from bot.storage.unreadable import UNREADABLE_ERRORS, UnreadableValues

log = structlog.get_logger()

BRIEF_PROBE_TIMEOUT_S = 1.0  # how long a report waits for SMTP probes unless they are switched on
LIST_TRUST_TTL_S = 900
ADDRESS_CHECKS = frozenset({"network"})  # run for special-purpose addresses, too
NAME_CHECKS = frozenset({"spf", "dmarc", "mx", "dkim", "dane", "bimi", "tls-rpt", "mta-sts", "starttls"})


@dataclass(frozen=True, slots=True)
class NetworkClients:
    """Clients for other people's web and mail servers.

    `probe` is None where port 25 must not be tried; a report waits at most `probe_timeout_s`.
    """

    fetch: Fetch
    find_contact: FindContact
    probe: SmtpProbeCache | None = None
    probe_timeout_s: float | None = None


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

    def list_count(self, target: Target) -> int:
        """Number of blocklist queries for a target."""
        return len(list_queries(self.zones, target))

    def bulk_runner(self, *, fresh: bool = False) -> CheckRunner:
        """The checks for bulk runs: interactive queries go first, and reports are not cached."""
        lookup = self.resolver.bulk(fresh=fresh)
        return replace(self.check_runner, lookup=lookup, fresh_lookup=lookup, reports=None)

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
    `needs_store` and Redis cannot be used, CatalogError for a wrong catalog, and SettingsError
    where no name server is known.
    """
    catalog = load(settings.blocklists)
    nameservers = _nameservers(settings)
    identity = " ".join(map(str, nameservers))
    async with AsyncExitStack() as stack:
        store = await _store(settings, stack, needs_store) if uses_store else None
        keys, clock = _keys(settings), await _clock(store)
        dns_client = await stack.enter_async_context(DnsClient(nameservers, rate_limits=_rate_limits(catalog, keys)))
        breaker, redis = CircuitBreaker(), store.interactive if store else None
        answers = AnswerCache(redis, breaker, identity) if redis else None
        reports = ReportCache(redis, breaker, f"{identity} {settings.blocklists}") if redis else None
        for cache in (answers, reports):
            if cache:
                stack.push_async_callback(cache.flush)
        resolver = Resolver(dns_client, identity=identity, shared_cache=answers)
        lists = blocklist_check(catalog, keys, _trust_cache(redis, breaker, identity), identity, clock)
        registry = build_metrics()
        special_allowed = settings.special_addresses is SpecialAddresses.ALLOW
        check_runner = CheckRunner(
            checks=checks(lists, special_allowed, _network_clients(resolver, settings.probe_smtp, redis, breaker)),
            address_checks=ADDRESS_CHECKS,
            name_checks=NAME_CHECKS,
            lookup=resolver,
            fresh_lookup=resolver.fresh(),
            clock=clock,
            judge=sender_requirements.judge,
            on_report=registry.record_report,
            allow_special=special_allowed,
            reports=reports,
        )
        parts = (settings, nameservers, catalog, keys, usable_zones(catalog, keys), resolver)
        yield Core(*parts, check_runner, registry, store, breaker, dns_client, clock)


def checks(
    blocklists: Check, allow_special: bool, clients: NetworkClients | None = None
) -> tuple[tuple[str, Check], ...]:
    """Every check by its name, in report order. A new check is a module and a row here.

    Without network clients only the checks that DNS can answer are included.
    """
    probes = (
        (("mta-sts", partial(mta_sts.check, fetch=clients.fetch)), ("starttls", _starttls(clients))) if clients else ()
    )
    find_contact = clients.find_contact if clients else None
    return (
        ("network", partial(special_purpose.check, allow_special=allow_special)),
        ("blocklist", blocklists),
        ("ptr", ptr.check),
        ("spf", spf.check),
        ("dmarc", dmarc.check),
        ("mx", mx.check),
        ("dkim", dkim.check),
        ("dane", dane.check),
        ("bimi", bimi.bimi_check(dmarc.discover)),
        ("tls-rpt", tls_rpt.check),
        *probes,
        ("network", dnssec.check),
        ("network", partial(ip_owner.check, allow_special=allow_special, find_contact=find_contact)),
    )


def _starttls(clients: NetworkClients) -> Check:
    port_open = clients.probe.port_open if clients.probe else lambda: None
    return partial(starttls.check, probe=clients.probe, port_open=port_open, timeout_s=clients.probe_timeout_s)


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


def _network_clients(
    lookup: Lookup, probe_smtp: ProbeSmtp, redis: Redis | None, breaker: CircuitBreaker
) -> NetworkClients:
    guarded_fetch = partial(fetch, lookup=lookup)
    registries = RdapClient(guarded_fetch, RedisTextCache(redis, breaker, "registry") if redis else None)
    probe = SmtpProbeCache(partial(probe_host, lookup=lookup)) if probe_smtp is not ProbeSmtp.OFF else None
    return NetworkClients(
        guarded_fetch, registries, probe, probe_timeout_s=None if probe_smtp is ProbeSmtp.ON else BRIEF_PROBE_TIMEOUT_S
    )


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
    secrets = {"spamhaus": settings.spamhaus_dqs_key, "abusix": settings.abusix_key}
    return {name: secret.get_secret_value() for name, secret in secrets.items() if secret}


def _rate_limits(catalog: Catalog, keys: Mapping[str, str]) -> dict[str, RateLimit]:
    lists = ((zone.apex, zone.blocklist) for zone in usable_zones(catalog, keys))
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
    budget = QueryBudget(repository.polls, core.zones, clock)
    poll_runner = monitoring_runner(
        core.check_runner,
        BudgetedLookup(core.resolver.bulk(), budget),
        BudgetedLookup(core.resolver.bulk(fresh=True), budget),
    )
    interactive_runner = monitoring_runner(core.check_runner, core.resolver.bulk(), core.resolver.bulk(fresh=True))

    async def first_poll(watch: Watch) -> Sequence[Report]:
        return await run_first_poll(watch, interactive_runner)

    return Monitoring(
        repository,
        interactive,
        Poller(repository, poll_runner, clock, poller_config(core.settings, core.zones)),
        first_poll,
        budget.usage,
        PollMonitor(interactive, clock, clock()),
    )


async def update_gauges(monitor: PollMonitor, metrics: Metrics) -> None:
    """Set the gauges of monitoring. Raises StoreUnavailable."""
    health, repository = await monitor.read(), monitor.repository
    metrics.poll_overdue_s.set(health.overdue_s)
    metrics.last_poll_age_s.set(health.last_poll_age_s)
    metrics.channels_waiting.set(len(await repository.ready_channels()))
    metrics.lists_quarantined.set(len(await repository.quarantined_lists()))
