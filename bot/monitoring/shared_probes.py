"""Results of asking other people's servers, shared by the watches of a host or domain and by all processes.

Many watches of one target cost one probe, and so do many domains with the same mail servers.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from bot.checks.rdap import TextCache
from bot.checks.registration import BOOTSTRAP_URL, Registration, parse_servers, request_registration
from bot.checks.registry import Clients, SmtpProbe
from bot.monitoring.check_schedule import SHARED_FOR
from bot.probe_results import Fetch, HttpPage, Probe, ProbeError, ProbeFailed, SmtpProbeResult
from bot.resilience.single_flight import SingleFlight
from bot.storage.unreadable import UNREADABLE_ERRORS

T = TypeVar("T")

BOOTSTRAP_AGE = timedelta(days=7)
BODY_ENCODING = "latin-1"  # any bytes as text


class SharedResults(Generic[T]):
    """Results of one kind by key, with their time; without a cache, calls under way are shared only."""

    def __init__(self, kind: type[T], cache: TextCache | None, clock: Callable[[], datetime]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._cache, self._clock = cache, clock
        self._calls: SingleFlight[str, T] = SingleFlight()

    async def __call__(self, key: str, function: Callable[[], Awaitable[T]], max_age: timedelta) -> T:
        """A result that is at most `max_age` old."""
        return await self._calls(key, partial(self._find, key, function, max_age))

    async def _find(self, key: str, function: Callable[[], Awaitable[T]], max_age: timedelta) -> T:
        texts = await self._cache.get_many([key]) if self._cache else {}
        now = self._clock()
        with suppress(*UNREADABLE_ERRORS):  # asked for anew
            document = json.loads(texts[key])
            if timedelta(0) <= now - datetime.fromtimestamp(document["at"], now.tzinfo) <= max_age:
                return self._adapter.validate_python(document["result"])
        result = await function()
        if self._cache:
            document = {"at": now.timestamp(), "result": self._adapter.dump_python(result, mode="json")}
            ttl = max(max_age, SHARED_FOR)
            await self._cache.set_many({key: json.dumps(document)}, int(ttl.total_seconds()))
        return result


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page, or why there is none."""

    media_type: str = ""
    body: str = ""
    error: ProbeError | None = None
    detail: str = ""
    expires: datetime | None = None  # of the certificate

    def page(self, url: str) -> HttpPage:
        """Raises ProbeFailed."""
        if self.error:
            raise ProbeFailed(self.error, self.detail)
        return HttpPage(url, self.media_type, self.body.encode(BODY_ENCODING), self.expires)


@dataclass(frozen=True, slots=True)
class StoredRegistration:
    """A registration, or why it is not known."""

    registration: Registration = field(default_factory=Registration)
    error: ProbeError | None = None


@dataclass(frozen=True, slots=True)
class SharedProbes:
    """The clients of the checks of watches that ask other people's servers; `max_age` of what they return."""

    fetch_page: Fetch
    fetch_registry: Fetch
    smtp_probe: SmtpProbe | None
    pages: SharedResults[StoredPage]
    probes: SharedResults[SmtpProbeResult]
    registrations: SharedResults[StoredRegistration]
    servers: SharedResults[dict[str, str]]
    max_age: timedelta = SHARED_FOR

    @classmethod
    def build(
        cls,
        fetch_page: Fetch,
        fetch_registry: Fetch,
        smtp_probe: SmtpProbe | None,
        cache: TextCache | None,
        clock: Callable[[], datetime],
    ) -> SharedProbes:
        pages, probes = SharedResults(StoredPage, cache, clock), SharedResults(SmtpProbeResult, cache, clock)
        registrations = SharedResults(StoredRegistration, cache, clock)
        servers = SharedResults(dict[str, str], cache, clock)
        return cls(fetch_page, fetch_registry, smtp_probe, pages, probes, registrations, servers)

    def confirming(self, confirm_after: timedelta) -> SharedProbes:
        """The same, for polls that confirm what another one found so long before: its result confirms nothing."""
        return replace(self, max_age=confirm_after / 2)

    def clients(self, clients: Clients) -> Clients:
        """The clients with these in the place of their own; without probes of mail servers where those are off."""
        smtp = self.smtp_probe
        shared = replace(smtp, probe=partial(self._probe, smtp.probe), timeout_s=None) if smtp and smtp.probe else None
        return replace(clients, fetch=self.fetch, smtp_probe=shared, find_registration=self.find_registration)

    async def fetch(self, url: str, /) -> HttpPage:
        return (await self.pages(f"page {url}", partial(self._fetch, url), self.max_age)).page(url)

    async def _fetch(self, url: str) -> StoredPage:
        try:
            page = await self.fetch_page(url)
        except ProbeFailed as error:
            return StoredPage(error=error.error, detail=error.detail)
        return StoredPage(page.media_type, page.body.decode(BODY_ENCODING), expires=page.certificate_expires)

    async def _probe(self, probe: Probe, host: str, /) -> SmtpProbeResult:
        return await self.probes(f"smtp {host}", partial(probe, host), self.max_age)

    async def find_registration(self, domain: str, /) -> Registration:
        """Raises ProbeFailed."""
        key, request = f"registration {domain}", partial(self._request_registration, domain)
        stored = await self.registrations(key, request, self.max_age)
        if stored.error:
            raise ProbeFailed(stored.error)
        return stored.registration

    async def _request_registration(self, domain: str) -> StoredRegistration:
        try:
            servers = await self.servers("registries", self._request_servers, BOOTSTRAP_AGE)
            return StoredRegistration(await request_registration(domain, servers, self.fetch_registry))
        except ProbeFailed as error:
            return StoredRegistration(error=error.error)

    async def _request_servers(self) -> dict[str, str]:
        return parse_servers(await self.fetch_registry(BOOTSTRAP_URL))
