"""What watches ask of other people's servers: once per host or domain, and anew to confirm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks.registration import BOOTSTRAP_URL, Registration
from bot.checks.registry import Clients, SmtpProbe, bind
from bot.models import CheckRequest, Finding, Lookup
from bot.monitoring.check_schedule import SHARED_FOR
from bot.monitoring.shared_probes import SharedProbes
from bot.probe_results import Certificate, HttpPage, ProbeError, ProbeFailed, SmtpProbeResult
from tests.support.stored_watches import Clock

CONFIRM_AFTER, CONFIRMING_AGE = timedelta(seconds=90), timedelta(seconds=45)
HOST, URL = "mx.provider.example", "https://mta-sts.example.com/.well-known/mta-sts.txt"
EXPIRES = "2027-03-01T00:00:00Z"


class SharedTexts:
    """The cache of all processes."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.ttls: dict[str, int] = {}

    async def get_many(self, ids: Any, /) -> Mapping[str, str]:
        return {key: self.texts[key] for key in ids if key in self.texts}

    async def set_many(self, items: Mapping[str, str], ttl_s: int, /) -> None:
        self.texts |= items
        self.ttls |= dict.fromkeys(items, ttl_s)


@dataclass
class Servers:
    """Web, mail and registry servers that count what they are asked."""

    clock: Clock = field(default_factory=Clock)
    cache: SharedTexts = field(default_factory=SharedTexts)
    requests: list[str] = field(default_factory=list)
    error: ProbeError | None = None

    def process(self) -> SharedProbes:
        return SharedProbes.build(self.page, self.registry, SmtpProbe(self.probe), self.cache, self.clock)

    async def page(self, url: str, /) -> HttpPage:
        self._record(url)
        return HttpPage(url, "text/plain", b"version: STSv1\n\xff", datetime(2027, 3, 1, tzinfo=UTC))

    async def registry(self, url: str, /) -> HttpPage:
        self._record(url)
        if url == BOOTSTRAP_URL:
            return HttpPage(url, "", json.dumps({"services": [[["com"], ["https://rdap.example/"]]]}).encode())
        events = [{"eventAction": "expiration", "eventDate": EXPIRES}]
        return HttpPage(url, "", json.dumps({"events": events, "status": ["pending delete"]}).encode())

    async def probe(self, host: str, /) -> SmtpProbeResult:
        self.requests.append(host)
        await asyncio.sleep(0)
        certificate = Certificate((host,), self.clock() + timedelta(days=9))
        return SmtpProbeResult(host, ip_address("192.0.2.1"), offers_tls=True, certificate=certificate)

    def _record(self, url: str) -> None:
        self.requests.append(url)
        if self.error:
            raise ProbeFailed(self.error, "why")


async def finds_nothing(_request: CheckRequest, _lookup: Lookup, /) -> list[Finding]:
    return []


def clients(probes: SharedProbes) -> Any:
    return probes.clients(Clients(finds_nothing))


async def test_two_processes_send_one_request() -> None:
    servers = Servers()
    first, second = clients(servers.process()), clients(servers.process())
    for name, key in (("fetch", URL), ("find_registration", "example.com")):
        results = [await getattr(process, name)(key) for process in (first, second)]
        assert results[0] == results[1]
    results = [await process.smtp_probe.probe(HOST) for process in (first, second)]
    assert results[0] == results[1]
    assert results[0].certificate.names == (HOST,)
    assert servers.requests == [URL, BOOTSTRAP_URL, "https://rdap.example/domain/example.com", HOST]


async def test_registration_is_read_from_the_store_as_from_the_registry() -> None:
    servers = Servers()
    await servers.process().find_registration("example.com")
    registration = await servers.process().find_registration("example.com")
    assert registration == Registration(registration.expires, ("pending delete",))
    assert f"{registration.expires:%Y-%m-%d}" == EXPIRES[:10]


async def test_many_watches_of_one_host_cost_one_probe() -> None:
    servers = Servers()
    probe = clients(servers.process()).smtp_probe.probe
    await asyncio.gather(*(probe(HOST) for _ in range(50)))
    assert servers.requests == [HOST]


@pytest.mark.parametrize(
    ("confirming", "age", "is_repeated"),
    [
        (False, SHARED_FOR - timedelta(seconds=1), False),
        (False, SHARED_FOR + timedelta(seconds=1), True),
        (True, CONFIRMING_AGE - timedelta(seconds=1), False),
        (True, CONFIRMING_AGE + timedelta(seconds=1), True),
        (False, timedelta(seconds=-60), True),  # the clock was set back
    ],
)
async def test_result_that_is_too_old_is_requested_again(confirming: bool, age: timedelta, is_repeated: bool) -> None:
    servers = Servers()
    await servers.process().fetch(URL)
    servers.clock.now += age
    process = servers.process()
    await (process.confirming(CONFIRM_AFTER) if confirming else process).fetch(URL)
    assert servers.requests == [URL] * (2 if is_repeated else 1)


async def test_failure_is_shared_with_its_reason() -> None:
    servers = Servers(error=ProbeError.WRONG_NAME)
    for _ in range(2):
        with pytest.raises(ProbeFailed, match="wrong-name: why"):
            await servers.process().fetch(URL)
    assert servers.requests == [URL]
    for _ in range(2):
        with pytest.raises(ProbeFailed, match="wrong-name"):
            await servers.process().find_registration("example.com")
    assert servers.requests == [URL, BOOTSTRAP_URL]


@pytest.mark.parametrize("text", ["", "[", "[]", "7", '{"at": 1}', '{"at": "x", "result": {}}', '{"at": 1e99}'])
async def test_stored_result_that_cannot_be_read_is_requested_again(text: str) -> None:
    servers = Servers()
    servers.cache.texts[f"page {URL}"] = text
    assert (await servers.process().fetch(URL)).body == b"version: STSv1\n\xff"
    assert servers.requests == [URL]


async def test_stored_results_expire() -> None:
    servers = Servers()
    process = servers.process()
    await process.find_registration("example.com")
    assert servers.cache.ttls == {"registration example.com": 4 * 3600, "registries": 7 * 24 * 3600}


@pytest.mark.parametrize("smtp_probe", [None, SmtpProbe()])
def test_no_mail_server_is_probed_where_probes_are_off(smtp_probe: SmtpProbe | None) -> None:
    servers = Servers()
    probes = SharedProbes.build(servers.page, servers.registry, smtp_probe, servers.cache, servers.clock)
    ids = {spec.id for spec in bind(probes.clients(Clients(finds_nothing, smtp_probe=SmtpProbe(servers.probe))))}
    assert "starttls" not in ids
    assert ids >= {"mta-sts", "registration"}
