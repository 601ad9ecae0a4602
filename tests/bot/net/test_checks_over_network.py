"""Checks that connect to servers, run through the real HTTPS and SMTP clients."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest

from bot.checks import mta_sts, starttls
from bot.checks.rdap import SERVERS, request_contact
from bot.models import CheckRequest, Target, Verdict
from bot.net.https_fetch import fetch
from bot.net.smtp_probe import probe, probe_host
from bot.probe_results import ProbeFailed
from tests.bot.net.test_https_fetch import respond_with
from tests.bot.net.test_smtp_probe import mail_server
from tests.support.certificate_authority import EXPIRED, CertificateAuthority
from tests.support.dns_world import World
from tests.support.public_addresses import PUBLIC, Script, scripted_server

REQUEST = CheckRequest(Target(domain="example.com"))
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmax_age: 604800\r\n"
POLICY_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(POLICY), POLICY)


def world(mail_server_at: str = PUBLIC) -> World:
    return World(
        {
            "example.com": {"MX": ["10 mx.example.com"]},
            "_mta-sts.example.com": {"TXT": ["v=STSv1; id=1"]},
            "mta-sts.example.com": {"A": [mail_server_at]},
            "mx.example.com": {"A": [mail_server_at]},
        }
    )


async def test_mta_sts_policy_is_fetched_and_judged(authority: CertificateAuthority) -> None:
    codes = {}
    host = "mta-sts.example.com"
    for name, days in ((host, 60), (host, 2), (host, EXPIRED), ("www.example.com", 60)):
        async with scripted_server(respond_with(POLICY_RESPONSE), authority.server_context(name, days=days)) as network:
            fetch_page = partial(fetch, lookup=world(), tls_context=authority.client_context(), backend=network.backend)
            findings = await mta_sts.check(REQUEST, world(), fetch=fetch_page)
        codes[name, days] = [finding.code.partition(".")[2] for finding in findings]
    expiring = ["ok", "certificate-expires-in-3-days"]
    assert list(codes.values()) == [["ok"], expiring, ["bad-certificate"], ["bad-certificate"]]


async def test_starttls_is_judged_by_probe(authority: CertificateAuthority) -> None:
    trust = authority.client_context(check_hostname=False)
    codes = []
    for tls, ready in ((authority.server_context("mx.example.com", days=60), "220 go"), (None, "454 not today")):
        async with scripted_server(mail_server(tls, ready=ready)) as network:
            probe_address = partial(probe, tls_context=trust, dial=network.dial)
            probe_by_name = partial(probe_host, lookup=world(), probe=probe_address)
            (finding,) = await starttls.check(REQUEST, world(), probe=probe_by_name)
        codes.append(finding.code)
    assert codes == ["starttls.ok", "starttls.refused"]


async def test_special_address_is_reported_not_contacted() -> None:
    internal_world = world("10.0.0.25")
    (policy,) = await mta_sts.check(REQUEST, internal_world, fetch=partial(fetch, lookup=internal_world))
    (mail,) = await starttls.check(REQUEST, internal_world, probe=partial(probe_host, lookup=internal_world))
    assert (policy.code, policy.facts["detail"]) == ("mta-sts.no-policy", "10.0.0.25")
    assert (mail.code, mail.verdict) == ("starttls.no-answer", Verdict.UNKNOWN)
    assert "public internet" in policy.summary
    assert "public internet" in mail.summary


ADDRESS = ip_address("203.0.113.5")
ABUSE_ENTITY = {"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", "abuse@example.net"]]]}
NETWORK = {"name": "EXAMPLE-NET", "entities": [ABUSE_ENTITY]}


def sequential_responses(*replies: bytes) -> Script:
    """A web server that sends one response after another, each on its own connection."""
    pending = list(replies)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(pending.pop(0))
        await writer.drain()

    return script


def json_page(document: Any) -> bytes:
    body = json.dumps(document).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/rdap+json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


def redirect_to(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([json_page(NETWORK)], "abuse@example.net"),
        ([redirect_to("https://rdap.arin.net/other/ip/203.0.113.5"), json_page(NETWORK)], "abuse@example.net"),
        ([redirect_to("/elsewhere/ip/203.0.113.5"), json_page(NETWORK)], "abuse@example.net"),
        ([redirect_to("https://rdap.arin.net/1")] * 3, "redirect"),
        ([redirect_to("https://inside.example/")], "special-address"),
        ([redirect_to("https://127.0.0.1/")], "special-address"),
        ([redirect_to("http://rdap.arin.net/")], "bad-url"),
        ([redirect_to("https://rdap.arin.net:8443/")], "bad-url"),
        ([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], "status"),
    ],
)
async def test_rdap_redirects_pass_the_ssrf_guard(
    authority: CertificateAuthority, replies: list[bytes], expected: str
) -> None:
    zones = World({"rdap.arin.net": {"A": [PUBLIC]}, "inside.example": {"A": ["10.0.0.1"]}})
    async with scripted_server(sequential_responses(*replies), authority.server_context("rdap.arin.net")) as network:
        fetch_page = partial(fetch, lookup=zones, tls_context=authority.client_context(), backend=network.backend)
        try:
            result = (await request_contact(SERVERS["arin"], ADDRESS, fetch_page)).abuse
        except ProbeFailed as error:
            result = str(error.error)
    assert result == expected
