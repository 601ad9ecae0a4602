"""Abuse contact of a network, from the RDAP service of its RIR (RFC 9082, RFC 9083)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urljoin

from bot.models import Address
from bot.probe_results import Fetch, HttpPage, ProbeError, ProbeFailed
from bot.resilience.single_flight import SingleFlight

# RDAP base URLs by RIR name as in the IP-to-ASN mapping. RFC 9224 has a bootstrap file, but these
# five have never changed, and redirects lead to networks that have moved.
SERVERS: Mapping[str, str] = {
    "afrinic": "https://rdap.afrinic.net/rdap/",
    "apnic": "https://rdap.apnic.net/",
    "arin": "https://rdap.arin.net/registry/",
    "lacnic": "https://rdap.lacnic.net/rdap/",
    "ripencc": "https://rdap.db.ripe.net/",
}
MAX_REDIRECTS = 2
MAX_ENTITIES = 100
CONTACT_TTL_S = 7 * 24 * 3600
BACKOFF_S = 600.0  # no request to a registry for so long after a failure
MAX_CACHED = 1000
UNAVAILABLE_ERRORS = frozenset(
    {
        ProbeError.TIMEOUT,
        ProbeError.UNREACHABLE,
        ProbeError.NO_ANSWER,
        ProbeError.NO_ADDRESS,
        ProbeError.CONNECTION_CLOSED,
    }
)
MAIL_ADDRESS = re.compile(r"[A-Za-z0-9._%+=-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}")
NETWORK_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class AbuseContact:
    """The RIR's name of a network and its abuse address; empty strings where it has none.

    Stored in the cache as JSON by field name.
    """

    network: str
    abuse: str


class TextCache(Protocol):
    """Text cache shared by processes."""

    async def get_many(self, ids: Sequence[str], /) -> Mapping[str, str]: ...

    async def set_many(self, items: Mapping[str, str], ttl_s: int, /) -> None: ...


FindContact = Callable[[str, str, Address], Awaitable[AbuseContact | None]]


async def request_contact(server: str, ip: Address, fetch: Fetch) -> AbuseContact:
    """Query one registry over RDAP, following its redirects. Raises ProbeFailed."""
    url = f"{server}ip/{ip}"
    for _ in range(MAX_REDIRECTS):
        try:
            return parse_contact(await fetch(url))
        except ProbeFailed as error:
            if error.error is not ProbeError.REDIRECT:
                raise
            url = urljoin(url, error.detail)
    return parse_contact(await fetch(url))


def parse_contact(page: HttpPage) -> AbuseContact:
    """Parse an RDAP response about an IP network. Raises ProbeFailed(MALFORMED)."""
    try:
        network = json.loads(page.body)
        name, entities = str(network.get("name", "")), list(_entities(network))
    except (ValueError, RecursionError, AttributeError, TypeError):
        raise ProbeFailed(ProbeError.MALFORMED, "no RDAP") from None
    mails = (mail for entity in entities if "abuse" in _list(entity, "roles") for mail in _mails(entity))
    return AbuseContact(name if NETWORK_NAME.fullmatch(name) else "", next(mails, ""))


def load_contact(text: str) -> AbuseContact:
    """Parse a cached contact. Raises ValueError, TypeError or RecursionError."""
    contact = AbuseContact(**json.loads(text))
    if not all(isinstance(value, str) for value in asdict(contact).values()):
        raise TypeError("not texts")
    return contact


def _entities(network: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield all entities of the response, breadth first, nested ones included."""
    queue: list[Any] = [network]
    for _ in range(MAX_ENTITIES):
        if not queue:
            return
        queue += [nested for nested in _list(queue[0], "entities") if isinstance(nested, dict)]
        yield queue.pop(0)


def _mails(entity: Mapping[str, Any]) -> Iterator[str]:
    """Mail addresses of a jCard (RFC 7095): its properties are [name, parameters, type, value]."""
    properties: Any = (_list(entity, "vcardArray")[1:2] or [()])[0]
    for row in properties if isinstance(properties, list) else ():
        if isinstance(row, list) and len(row) > 3 and row[0] == "email" and MAIL_ADDRESS.fullmatch(str(row[3])):
            yield str(row[3])


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


class RdapClient:
    """Finds abuse contacts and caches them for a week, in this process and the shared cache.

    Never raises.
    """

    def __init__(
        self, fetch: Fetch, cache: TextCache | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._clock = clock
        self._backoff_until: dict[str, float] = {}
        self._contacts: SingleFlight[str, AbuseContact] = SingleFlight(CONTACT_TTL_S, size=MAX_CACHED, clock=clock)

    async def __call__(self, registry: str, prefix: str, ip: Address, /) -> AbuseContact | None:
        server = SERVERS.get(registry)
        if server is None or self._clock() < self._backoff_until.get(registry, 0.0):
            return None
        try:
            return await self._contacts(prefix, partial(self._request_contact, server, prefix, ip))
        except ProbeFailed as error:
            if error.error in UNAVAILABLE_ERRORS:
                self._backoff_until[registry] = self._clock() + BACKOFF_S
            return None

    async def _request_contact(self, server: str, prefix: str, ip: Address) -> AbuseContact:
        if self._cache and (cached := (await self._cache.get_many([prefix])).get(prefix)):
            with suppress(ValueError, TypeError, RecursionError):  # asked for anew
                return load_contact(cached)
        contact = await request_contact(server, ip, self._fetch)
        if self._cache:
            await self._cache.set_many({prefix: json.dumps(asdict(contact))}, CONTACT_TTL_S)
        return contact
