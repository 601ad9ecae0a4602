"""Who is to be told about a network: the abuse contact that its regional registry names (RDAP, RFC 9082 and RFC 9083)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urljoin

from bot.models import Address
from bot.probe_results import Fetch, Page, Trouble, VisitFailed

# Where each registry answers, by its name in the map of the routing table. RFC 9224 lets a client look this up; these five
# have not changed since they began, and a network that has moved is found by the redirect.
SERVERS: Mapping[str, str] = {
    "afrinic": "https://rdap.afrinic.net/rdap/",
    "apnic": "https://rdap.apnic.net/",
    "arin": "https://rdap.arin.net/registry/",
    "lacnic": "https://rdap.lacnic.net/rdap/",
    "ripencc": "https://rdap.db.ripe.net/",
}
MOST_REDIRECTS = 2
MOST_ENTITIES = 100
GOOD_FOR_S = 7 * 24 * 3600
REST_S = 600.0  # a registry that did not answer is left alone for so long
MOST_REMEMBERED = 1000
DEAF = frozenset({Trouble.TIMEOUT, Trouble.UNREACHABLE, Trouble.NO_ANSWER, Trouble.NO_ADDRESS, Trouble.HUNG_UP})
MAIL = re.compile(r"[A-Za-z0-9._%+=-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}")
NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class Contact:
    """The registry's own name for the network, and the mail address for complaints; empty where it has none."""

    network: str
    abuse: str


class Shelf(Protocol):
    """Texts that outlive this process."""

    async def recall(self, ids: Sequence[str], /) -> Mapping[str, str]: ...

    async def remember(self, items: Mapping[str, str], ttl_s: int, /) -> None: ...


FindContact = Callable[[str, str, Address], Awaitable[Contact | None]]


async def find_contact(server: str, ip: Address, fetch: Fetch) -> Contact:
    """Ask one registry, and those to which it sends us on; every step goes through the same door. Raises VisitFailed."""
    url = f"{server}ip/{ip}"
    for _ in range(MOST_REDIRECTS):
        try:
            return read_contact(await fetch(url))
        except VisitFailed as failed:
            if failed.trouble is not Trouble.REDIRECT:
                raise
            url = urljoin(url, failed.detail)
    return read_contact(await fetch(url))


def read_contact(page: Page) -> Contact:
    """What an RDAP answer says about an IP network; raises VisitFailed(GARBLED) for anything else."""
    try:
        network = json.loads(page.body)
        named, entities = str(network.get("name", "")), list(_entities(network))
    except (ValueError, RecursionError, AttributeError, TypeError):
        raise VisitFailed(Trouble.GARBLED, "no RDAP") from None
    mails = (mail for entity in entities if "abuse" in _list(entity, "roles") for mail in _mails(entity))
    return Contact(named if NAME.fullmatch(named) else "", next(mails, ""))


def _entities(network: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every entity of the answer, those inside others included, the outer ones first."""
    waiting: list[Any] = [network]
    for _ in range(MOST_ENTITIES):
        if not waiting:
            return
        waiting += [inner for inner in _list(waiting[0], "entities") if isinstance(inner, dict)]
        yield waiting.pop(0)


def _mails(entity: Mapping[str, Any]) -> Iterator[str]:
    """The mail addresses of a jCard (RFC 7095), in which each property is a list of name, parameters, type and value."""
    properties: Any = (_list(entity, "vcardArray")[1:2] or [()])[0]
    for row in properties if isinstance(properties, list) else ():
        if isinstance(row, list) and len(row) > 3 and row[0] == "email" and MAIL.fullmatch(str(row[3])):
            yield str(row[3])


def _list(part: Mapping[str, Any], key: str) -> list[Any]:
    found = part.get(key)
    return found if isinstance(found, list) else []


class Registries:
    """Finds the contact of a network and remembers it for a week, on a shelf that others share; never raises.

    Who turns away while a registry is asked takes the answer from nobody else.
    """

    def __init__(self, fetch: Fetch, shelf: Shelf | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._shelf = shelf
        self._clock = clock
        self._resting: dict[str, float] = {}
        self._found: dict[str, asyncio.Task[Contact | None]] = {}

    async def __call__(self, registry: str, prefix: str, ip: Address, /) -> Contact | None:
        server = SERVERS.get(registry)
        if server is None or self._clock() < self._resting.get(registry, 0.0):
            return None
        if prefix not in self._found:
            task = asyncio.ensure_future(self._find(registry, server, prefix, ip))
            self._found[prefix] = task
            task.add_done_callback(partial(self._forget_failure, prefix))
            if len(self._found) > MOST_REMEMBERED:
                del self._found[next(iter(self._found))]
        return await asyncio.shield(self._found[prefix])

    async def _find(self, registry: str, server: str, prefix: str, ip: Address) -> Contact | None:
        if self._shelf and (kept := (await self._shelf.recall([prefix])).get(prefix)):
            return Contact(**json.loads(kept))
        try:
            contact = await find_contact(server, ip, self._fetch)
        except VisitFailed as failed:
            if failed.trouble in DEAF:
                self._resting[registry] = self._clock() + REST_S
            return None
        if self._shelf:
            await self._shelf.remember({prefix: json.dumps(asdict(contact))}, GOOD_FOR_S)
        return contact

    def _forget_failure(self, prefix: str, task: asyncio.Task[Contact | None]) -> None:
        if task.cancelled() or task.exception() or task.result() is None:
            self._found.pop(prefix, None)
