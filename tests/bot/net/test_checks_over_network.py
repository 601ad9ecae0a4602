"""The checks that visit servers, through the real doors: what the wiring of the bot will look like."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks import mta_sts, starttls
from bot.checks.rdap import SERVERS, find_contact
from bot.models import Order, Target, Verdict
from bot.net.https_fetch import fetch
from bot.net.smtp_probe import probe, probe_host
from bot.probe_results import VisitFailed
from tests.bot.net.test_https_fetch import saying
from tests.bot.net.test_smtp_probe import mail_server
from tests.support.certificate_authority import EXPIRED, Authority
from tests.support.dns_world import World
from tests.support.public_addresses import PUBLIC, Script, listening

ORDER = Order(Target(domain="example.com"))
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmax_age: 604800\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(POLICY), POLICY)


def world(mail_server_at: str = PUBLIC) -> World:
    return World(
        {
            "example.com": {"MX": ["10 mx.example.com"]},
            "_mta-sts.example.com": {"TXT": ["v=STSv1; id=1"]},
            "mta-sts.example.com": {"A": [mail_server_at]},
            "mx.example.com": {"A": [mail_server_at]},
        }
    )


async def test_a_policy_is_judged_as_its_server_gives_it(authority: Authority) -> None:
    told = {}
    for name, days in (("mta-sts.example.com", 2), ("mta-sts.example.com", EXPIRED), ("www.example.com", 2)):
        async with listening(saying(PAGE), authority.server(name, days=days)) as elsewhere:
            fetching = partial(fetch, lookup=world(), trust=authority.visitor(), line=elsewhere.line)
            (finding,) = await mta_sts.check(ORDER, world(), fetch=fetching)
        told[name, days] = finding.code
    assert list(told.values()) == ["mta-sts.ok", "mta-sts.bad-certificate", "mta-sts.bad-certificate"]


async def test_a_mail_server_is_judged_as_it_shows_itself(authority: Authority) -> None:
    trust = authority.visitor(check_hostname=False)
    told = []
    for tls, ready in ((authority.server("mx.example.com", days=60), "220 go"), (None, "454 not today")):
        async with listening(mail_server(tls, ready=ready)) as elsewhere:
            at_the_door = partial(probe, trust=trust, dial=elsewhere.dial)
            probing = partial(probe_host, lookup=world(), probe=at_the_door)
            (finding,) = await starttls.check(ORDER, world(), probe=probing)
        told.append(finding.code)
    assert told == ["starttls.ok", "starttls.refused"]


async def test_a_name_that_leads_inside_is_not_visited_and_is_told() -> None:
    inside = world("10.0.0.25")
    (policy,) = await mta_sts.check(ORDER, inside, fetch=partial(fetch, lookup=inside))
    (mail,) = await starttls.check(ORDER, inside, probe=partial(probe_host, lookup=inside))
    assert (policy.code, policy.facts["detail"]) == ("mta-sts.no-policy", "10.0.0.25")
    assert (mail.code, mail.verdict) == ("starttls.no-answer", Verdict.UNKNOWN)
    assert "public internet" in policy.says
    assert "public internet" in mail.says


ADDRESS = ip_address("203.0.113.5")
ABUSE = {"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", "abuse@example.net"]]]}
NETWORK = {"name": "EXAMPLE-NET", "entities": [ABUSE]}


def answering(*replies: bytes) -> Script:
    """A web server that gives one reply after another, each on a connection of its own."""
    waiting = list(replies)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(waiting.pop(0))
        await writer.drain()

    return script


def json_page(document: Any) -> bytes:
    body = json.dumps(document).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/rdap+json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


def moved(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ([json_page(NETWORK)], "abuse@example.net"),
        ([moved("https://rdap.arin.net/other/ip/203.0.113.5"), json_page(NETWORK)], "abuse@example.net"),
        ([moved("/elsewhere/ip/203.0.113.5"), json_page(NETWORK)], "abuse@example.net"),
        ([moved("https://rdap.arin.net/1")] * 3, "redirect"),
        ([moved("https://inside.example/")], "special-address"),
        ([moved("https://127.0.0.1/")], "special-address"),
        ([moved("http://rdap.arin.net/")], "bad-url"),
        ([moved("https://rdap.arin.net:8443/")], "bad-url"),
        ([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], "status"),
    ],
)
async def test_a_registry_may_send_on_and_every_step_is_guarded(
    authority: Authority, replies: list[bytes], outcome: str
) -> None:
    names = World({"rdap.arin.net": {"A": [PUBLIC]}, "inside.example": {"A": ["10.0.0.1"]}})
    async with listening(answering(*replies), authority.server("rdap.arin.net")) as elsewhere:
        fetching = partial(fetch, lookup=names, trust=authority.visitor(), line=elsewhere.line)
        try:
            told = (await find_contact(SERVERS["arin"], ADDRESS, fetching)).abuse
        except VisitFailed as failed:
            told = str(failed.trouble)
    assert told == outcome
