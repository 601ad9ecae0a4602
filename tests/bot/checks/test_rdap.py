"""Abuse contacts over RDAP: parsing, caching, and back-off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.rdap import BACKOFF_S, AbuseContact, RdapClient, parse_contact
from bot.probe_results import HttpPage, ProbeError, ProbeFailed

IP = ip_address("203.0.113.5")
PREFIX = "203.0.113.0/24"


def jcard(*mails: str) -> list[Any]:
    return ["vcard", [["version", {}, "text", "4.0"], *(["email", {}, "text", mail] for mail in mails)]]


ABUSE = {"roles": ["abuse"], "vcardArray": jcard("abuse@example.net")}
NETWORK = {
    "name": "EXAMPLE-NET",
    "entities": [{"roles": ["registrant"], "vcardArray": jcard("noc@example.net")}, ABUSE],
}


def page(document: Any) -> HttpPage:
    return HttpPage("https://rdap.example/", "application/rdap+json", json.dumps(document).encode())


@pytest.mark.parametrize(
    ("document", "contact"),
    [
        (NETWORK, AbuseContact("EXAMPLE-NET", "abuse@example.net")),
        (
            {"name": "A", "entities": [{"roles": ["registrant"], "entities": [ABUSE]}]},
            AbuseContact("A", "abuse@example.net"),
        ),
        (
            {"entities": [{"roles": ["abuse"], "vcardArray": jcard("no mail", "b@example.net")}]},
            AbuseContact("", "b@example.net"),
        ),
        (
            {"name": "<b>x</b>", "entities": [{"roles": ["abuse"], "vcardArray": jcard("<a@b.c>")}]},
            AbuseContact("", ""),
        ),
        ({"name": ["x"], "entities": "none"}, AbuseContact("", "")),
        ({"entities": [{"roles": "abuse", "vcardArray": [1, [2, []]]}, 7, None]}, AbuseContact("", "")),
    ],
    ids=["sibling", "nested", "first valid", "markup", "other types", "malformed jcards"],
)
def test_parse_contact_finds_abuse_address(document: Any, contact: AbuseContact) -> None:
    assert parse_contact(page(document)) == contact


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"null", b"\xff", b"[" * 60_000])
def test_parse_contact_malformed_body_raises(body: bytes) -> None:
    with pytest.raises(ProbeFailed, match="garbled"):
        parse_contact(HttpPage("https://rdap.example/", "text/html", body))


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["abuse", "email", "a@b.cc"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["roles", "entities", "vcardArray", "name", "x"]), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(["roles", "entities", "vcardArray", "name"]), json_values))
def test_parse_contact_any_json_gives_printable_text(document: Mapping[str, Any]) -> None:
    contact = parse_contact(page(document))
    assert (contact.network + contact.abuse).isprintable()


class FakeRegistry:
    """A fake registry that answers, fails or blocks, and counts its requests."""

    def __init__(self, error: ProbeError | None = None) -> None:
        self.trouble = error
        self.requests = 0
        self.ready = asyncio.Event()
        self.ready.set()

    async def __call__(self, url: str, /) -> HttpPage:
        self.requests += 1
        await self.ready.wait()
        if self.trouble:
            raise ProbeFailed(self.trouble)
        return page(NETWORK)


class FakeCache:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def get_many(self, ids: Any, /) -> Mapping[str, str]:
        return {key: self.texts[key] for key in ids if key in self.texts}

    async def set_many(self, items: Mapping[str, str], ttl_s: int, /) -> None:
        self.texts |= items


async def test_rdap_client_query_each_network_once_across_cache() -> None:
    registry, cache = FakeRegistry(), FakeCache()
    first, second = RdapClient(registry, cache), RdapClient(registry, cache)
    contacts = await asyncio.gather(*(first("arin", PREFIX, IP) for _ in range(5)))
    contacts += [await first("arin", PREFIX, IP), await second("arin", PREFIX, IP)]
    assert set(contacts) == {AbuseContact("EXAMPLE-NET", "abuse@example.net")}
    assert registry.requests == 1


async def test_rdap_client_cancelled_waiter_leaves_shared_request() -> None:
    registry = FakeRegistry()
    registry.ready.clear()
    client = RdapClient(registry)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await client("arin", PREFIX, IP)
    registry.ready.set()
    assert await client("arin", PREFIX, IP) == AbuseContact("EXAMPLE-NET", "abuse@example.net")
    assert registry.requests == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ProbeError.TIMEOUT, 1), (ProbeError.UNREACHABLE, 1), (ProbeError.STATUS, 2), (ProbeError.MALFORMED, 2)],
)
async def test_rdap_client_back_off_after_unavailable_error(error: ProbeError, expected: int) -> None:
    now = 0.0
    registry = FakeRegistry(error)
    client = RdapClient(registry, clock=lambda: now)
    assert [await client("arin", f"203.0.{n}.0/24", IP) for n in range(2)] == [None, None]
    assert registry.requests == expected
    now = BACKOFF_S
    await client("arin", PREFIX, IP)
    assert registry.requests == expected + 1


async def test_rdap_client_unknown_rir_is_not_queried() -> None:
    registry = FakeRegistry()
    assert await RdapClient(registry)("evil.example", PREFIX, IP) is None
    assert registry.requests == 0
