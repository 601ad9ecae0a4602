"""Registration of a domain: what a registry says, and when that is a problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.checks.registration import (
    CODES,
    FindRegistration,
    Registration,
    check,
    judge,
    parse_registration,
    parse_servers,
    request_registration,
)
from bot.models import CheckRequest, Target, Verdict
from bot.probe_results import HttpPage, ProbeError, ProbeFailed
from tests.support.dns_world import World

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
EXPIRES = "2027-03-01T00:00:00Z"
SERVERS = {"com": "https://rdap.registry.example/v1/"}


def page(document: object) -> HttpPage:
    return HttpPage("https://rdap.registry.example/", "application/rdap+json", json.dumps(document).encode())


def answer(**changes: object) -> Mapping[str, object]:
    return {"events": [{"eventAction": "expiration", "eventDate": EXPIRES}], **changes}


@pytest.mark.parametrize(
    ("days", "code"),
    [
        (31, "registration.ok"),
        (30, "registration.expires-soon"),
        (8, "registration.expires-soon"),
        (7, "registration.expires-this-week"),
        (0, "registration.expired"),
        (-40, "registration.expired"),
    ],
)
def test_registration_expiry_warns_30_and_7_days_before(days: int, code: str) -> None:
    assert judge(Registration(NOW + timedelta(days=days)), NOW) == code


@pytest.mark.parametrize(
    ("document", "registration"),
    [
        (answer(), Registration(datetime(2027, 3, 1, tzinfo=UTC))),
        (
            answer(status=["redemption period", "client hold", 7]),
            Registration(datetime(2027, 3, 1, tzinfo=UTC), ("redemption period",)),
        ),
        ({"events": [{"eventAction": "registrar expiration", "eventDate": EXPIRES}]}, Registration()),
        ({"events": [{"eventAction": "expiration", "eventDate": "soon"}, 7, None]}, Registration()),
        ({"events": "none", "status": "ok"}, Registration()),
    ],
    ids=["expires", "in redemption", "other event", "no date", "no lists"],
)
def test_registration_is_read_from_rdap(document: object, registration: Registration) -> None:
    assert parse_registration(page(document)) == registration


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b"[" * 60_000])
def test_registration_malformed_body_raises(body: bytes) -> None:
    with pytest.raises(ProbeFailed, match="garbled"):
        parse_registration(HttpPage("https://rdap.registry.example/", "text/html", body))


def test_registry_list_takes_the_https_service() -> None:
    services = [
        [["com", "net"], ["http://old.example/", "https://rdap.registry.example/v1"]],
        [["org"], ["http://old.example/"]],
        "damaged",
    ]
    servers = parse_servers(page({"services": services}))
    assert servers == {"com": SERVERS["com"], "net": SERVERS["com"]}


class Registry:
    """Redirects `redirects` times, then answers."""

    def __init__(self, redirects: int = 0) -> None:
        self.redirects, self.urls = redirects, list[str]()

    async def __call__(self, url: str, /) -> HttpPage:
        self.urls.append(url)
        if len(self.urls) <= self.redirects:
            raise ProbeFailed(ProbeError.REDIRECT, f"/{len(self.urls)}")
        return page(answer())


async def test_registration_follows_two_redirects() -> None:
    registry = Registry(redirects=2)
    assert (await request_registration("example.com", SERVERS, registry)).expires
    assert registry.urls == [
        "https://rdap.registry.example/v1/domain/example.com",
        "https://rdap.registry.example/1",
        "https://rdap.registry.example/2",
    ]
    with pytest.raises(ProbeFailed):
        await request_registration("example.com", SERVERS, Registry(redirects=3))


async def test_registration_of_a_domain_without_service_is_unknown() -> None:
    registry = Registry()
    assert await request_registration("example.de", SERVERS, registry) == Registration()
    assert registry.urls == []


def finder(result: Registration | ProbeFailed) -> FindRegistration:
    async def find(_domain: str) -> Registration:
        if isinstance(result, ProbeFailed):
            raise result
        return result

    return find


@pytest.mark.parametrize(
    ("domain", "result", "code"),
    [
        ("mail.example.co.uk", Registration(NOW + timedelta(days=3)), "registration.expires-this-week"),
        ("example.com", Registration(statuses=("pending delete",)), "registration.expired"),
        ("example.com", Registration(), "registration.not-published"),
        ("example.com", ProbeFailed(ProbeError.TIMEOUT), "registration.no-answer"),
    ],
)
async def test_check_reports_the_registered_domain(domain: str, result: Any, code: str) -> None:
    request = CheckRequest(Target(domain=domain))
    (finding,) = await check(request, World({}), find_registration=finder(result), clock=lambda: NOW)
    assert (finding.code, finding.verdict) == (code, CODES[code].verdict)
    assert finding.subject == ("example.co.uk" if "uk" in domain else "example.com")
    assert finding.verdict is Verdict.PASS or finding.remediation


async def test_check_of_a_public_suffix_reports_nothing() -> None:
    find = finder(Registration())
    assert await check(CheckRequest(Target(domain="co.uk")), World({}), find_registration=find) == []
