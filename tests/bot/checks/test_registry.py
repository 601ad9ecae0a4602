from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest

from bot.checks.registration import Registration
from bot.checks.registry import CHECKS, REQUEST_PARTS, CheckSpec, Clients, Need, SmtpProbe, bind, missing_parts
from bot.models import CheckRequest, Finding, Lookup, Target
from bot.probe_results import HttpPage


async def finds_nothing(_request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    return []


async def fetches_nothing(url: str, /) -> HttpPage:
    return HttpPage(url, "text/plain", b"")


async def finds_no_registration(_domain: str, /) -> Registration:
    return Registration()


@pytest.mark.parametrize("spec", CHECKS, ids=lambda spec: f"{spec.id} {spec.order}")
def test_clients_in_needs_are_keywords_of_the_function(spec: CheckSpec) -> None:
    keywords = [
        parameter
        for parameter in inspect.signature(spec.function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    clients = {need.value for need in spec.needs - REQUEST_PARTS}
    assert {keyword.name for keyword in keywords if keyword.default is keyword.empty} <= clients
    assert clients <= {keyword.name for keyword in keywords}


def test_finding_codes_begin_with_an_id_of_their_check() -> None:
    assert [
        code for spec in CHECKS for code in spec.codes if code.partition(".")[0] not in {spec.id, *spec.names}
    ] == []


def test_orders_differ_and_checks_stand_in_them() -> None:
    orders = [spec.order for spec in CHECKS]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize(
    ("clients", "left_out"),
    [
        (Clients(finds_nothing), {"mta-sts", "starttls", "registration"}),
        (Clients(finds_nothing, fetch=fetches_nothing), {"starttls", "registration"}),
        (Clients(finds_nothing, fetch=fetches_nothing, smtp_probe=SmtpProbe()), {"registration"}),
        (Clients(finds_nothing, find_registration=finds_no_registration), {"mta-sts", "starttls"}),
    ],
)
def test_check_without_its_client_is_left_out(clients: Clients, left_out: set[str]) -> None:
    assert {spec.id for spec in CHECKS} - {spec.id for spec in bind(clients)} == left_out


ADDRESS, DOMAIN = Target.of("192.0.2.1"), Target(domain="example.com")
BOTH = Target.of("192.0.2.1", "example.com")


@pytest.mark.parametrize(
    ("need", "having"),
    [
        (Need.ADDRESS, ["address", "address and HELO", "both"]),
        (Need.DOMAIN, ["domain", "both"]),
        (Need.NAME, ["address and HELO", "domain", "both"]),
        (Need.FETCH, ["address", "address and HELO", "domain", "both"]),
    ],
)
def test_request_has_the_parts_that_a_check_needs(need: Need, having: list[str]) -> None:
    requests = {
        "address": CheckRequest(ADDRESS),
        "address and HELO": CheckRequest(ADDRESS, helo="mail.example.com"),
        "domain": CheckRequest(DOMAIN),
        "both": CheckRequest(BOTH),
    }
    assert [name for name, request in requests.items() if need not in missing_parts(request)] == having
