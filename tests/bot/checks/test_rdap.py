"""The abuse contact of a network: read from what a registry says, asked over a guarded door, and never waited for twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks.rdap import REST_S, Contact, Registries, read_contact
from bot.probe_results import Page, Trouble, VisitFailed

IP = ip_address("203.0.113.5")
PREFIX = "203.0.113.0/24"


def card(*mails: str) -> list[Any]:
    return ["vcard", [["version", {}, "text", "4.0"], *(["email", {}, "text", mail] for mail in mails)]]


ABUSE = {"roles": ["abuse"], "vcardArray": card("abuse@example.net")}
NETWORK = {"name": "EXAMPLE-NET", "entities": [{"roles": ["registrant"], "vcardArray": card("noc@example.net")}, ABUSE]}


def page(document: Any) -> Page:
    return Page("https://rdap.example/", "application/rdap+json", json.dumps(document).encode())


@pytest.mark.parametrize(
    ("document", "contact"),
    [
        (NETWORK, Contact("EXAMPLE-NET", "abuse@example.net")),
        (
            {"name": "A", "entities": [{"roles": ["registrant"], "entities": [ABUSE]}]},
            Contact("A", "abuse@example.net"),
        ),
        (
            {"entities": [{"roles": ["abuse"], "vcardArray": card("no mail", "b@example.net")}]},
            Contact("", "b@example.net"),
        ),
        ({"name": "<b>x</b>", "entities": [{"roles": ["abuse"], "vcardArray": card("<a@b.c>")}]}, Contact("", "")),
        ({"name": ["x"], "entities": "none"}, Contact("", "")),
        ({"entities": [{"roles": "abuse", "vcardArray": [1, [2, []]]}, 7, None]}, Contact("", "")),
    ],
    ids=["beside others", "inside another", "the first that is one", "markup", "other types", "odd cards"],
)
def test_a_contact_is_read_where_there_is_one(document: Any, contact: Contact) -> None:
    assert read_contact(page(document)) == contact


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"null", b"\xff", b"[" * 60_000])
def test_what_is_no_rdap_is_named_so(body: bytes) -> None:
    with pytest.raises(VisitFailed, match="garbled"):
        read_contact(Page("https://rdap.example/", "text/html", body))


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["abuse", "email", "a@b.cc"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["roles", "entities", "vcardArray", "name", "x"]), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(["roles", "entities", "vcardArray", "name"]), json_values))
def test_whatever_json_comes_it_is_read_or_named(document: Mapping[str, Any]) -> None:
    contact = read_contact(page(document))
    assert (contact.network + contact.abuse).isprintable()


class Web:
    """A registry that answers, fails or waits, and counts how often it is asked."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        self.trouble = trouble
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, url: str, /) -> Page:
        self.asked += 1
        await self.open.wait()
        if self.trouble:
            raise VisitFailed(self.trouble)
        return page(NETWORK)


class Memory:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def recall(self, ids: Any, /) -> Mapping[str, str]:
        return {key: self.texts[key] for key in ids if key in self.texts}

    async def remember(self, items: Mapping[str, str], ttl_s: int, /) -> None:
        self.texts |= items


async def test_a_network_is_asked_about_once_here_and_once_for_all_who_share_the_shelf() -> None:
    web, shelf = Web(), Memory()
    first, second = Registries(web, shelf), Registries(web, shelf)
    told = await asyncio.gather(*(first("arin", PREFIX, IP) for _ in range(5)))
    told += [await first("arin", PREFIX, IP), await second("arin", PREFIX, IP)]
    assert set(told) == {Contact("EXAMPLE-NET", "abuse@example.net")}
    assert web.asked == 1


async def test_who_turns_away_leaves_the_answer_to_the_next() -> None:
    web = Web()
    web.open.clear()
    registries = Registries(web)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await registries("arin", PREFIX, IP)
    web.open.set()
    assert await registries("arin", PREFIX, IP) == Contact("EXAMPLE-NET", "abuse@example.net")
    assert web.asked == 1


@pytest.mark.parametrize(
    ("trouble", "asked"), [(Trouble.TIMEOUT, 1), (Trouble.UNREACHABLE, 1), (Trouble.STATUS, 2), (Trouble.GARBLED, 2)]
)
async def test_a_registry_that_does_not_answer_is_left_alone_for_a_while(trouble: Trouble, asked: int) -> None:
    now = 0.0
    web = Web(trouble)
    registries = Registries(web, clock=lambda: now)
    assert [await registries("arin", f"203.0.{n}.0/24", IP) for n in range(2)] == [None, None]
    assert web.asked == asked
    now = REST_S
    await registries("arin", PREFIX, IP)
    assert web.asked == asked + 1


async def test_a_registry_that_nobody_knows_is_not_asked() -> None:
    web = Web()
    assert await Registries(web)("evil.example", PREFIX, IP) is None
    assert web.asked == 0
