from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import TrustLevel
from bot.checks.dnsbl.test_points import ListStatus
from bot.doctor import (
    CODES,
    PortProbe,
    chat_finding,
    egress_finding,
    list_findings,
    port_finding,
    resolver_findings,
    source_findings,
    store_finding,
)
from bot.models import DnsAnswer, LookupFailed, Verdict
from tests.bot.checks.dnsbl.lists import CATALOG


def lists(good: int, bad: int, reason: str, zen: tuple[TrustLevel, str] = (TrustLevel.GOOD, "")) -> list[ListStatus]:
    """`zen` is trust and reason of Spamhaus ZEN."""
    rows = [ListStatus(f"good-{n}", "Good", TrustLevel.GOOD, "", 5) for n in range(good)]
    rows += [ListStatus(f"bad-{n}", "Bad", TrustLevel.UNUSABLE, reason, 5) for n in range(bad)]
    return [*rows, ListStatus("spamhaus-zen", "Spamhaus ZEN", *zen, 5)]


@pytest.mark.parametrize(
    ("statuses", "codes"),
    [
        (lists(60, 2, "emptied"), {"lists", "answers-arrive", "spamhaus-answers"}),
        (lists(2, 58, "stripped", (TrustLevel.UNKNOWN, "stripped")), {"lists", "answers-stripped", "spamhaus-silent"}),
        (lists(0, 60, "emptied", (TrustLevel.UNUSABLE, "emptied")), {"lists", "answers-hidden", "spamhaus-silent"}),
        (
            lists(50, 5, "blocked", (TrustLevel.UNUSABLE, "public-resolver")),
            {"lists", "answers-arrive", "spamhaus-refuses"},
        ),
        (
            [ListStatus("needs-key", "Keyed", TrustLevel.UNKNOWN, "no-key", 0), *lists(3, 0, "")],
            {"lists", "answers-arrive", "spamhaus-answers"},
        ),
    ],
)
def test_list_statuses_give_findings_about_resolver(statuses: list[ListStatus], codes: set[str]) -> None:
    assert {finding.code.removeprefix("doctor.") for finding in list_findings(statuses)} == codes


@pytest.mark.parametrize(
    ("zen", "code"),
    [
        ((TrustLevel.GOOD, ""), "key-works"),
        ((TrustLevel.UNUSABLE, "emptied"), "key-refused"),
        ((TrustLevel.UNUSABLE, "key-disabled"), "key-refused"),
        ((TrustLevel.UNUSABLE, "key-misused"), "key-refused"),
        ((TrustLevel.UNUSABLE, "quota"), "spamhaus-refuses"),
        ((TrustLevel.UNKNOWN, "timeout"), "key-not-known"),
    ],
)
def test_spamhaus_key_when_set_has_its_own_finding(zen: tuple[TrustLevel, str], code: str) -> None:
    statuses = lists(60, 2, "timeout", zen)
    assert list_findings(statuses, has_key=True)[-1].code == f"doctor.{code}"


def test_spamhaus_key_is_not_known_when_all_lists_are_hidden() -> None:
    hidden = lists(0, 60, "emptied", (TrustLevel.UNUSABLE, "emptied"))
    assert list_findings(hidden, has_key=True)[-1].code == "doctor.key-not-known"


NXDOMAIN = DnsAnswer("x.invalid", "A", exists=False)
REWRITTEN = DnsAnswer("x", "A", ("203.0.113.7",))
SIGNED = DnsAnswer(".", "SOA", ("x",), authentic=True)
UNSIGNED = DnsAnswer(".", "SOA", ("x",))
TIMEOUT = LookupFailed("timeout")


@pytest.mark.parametrize(
    ("invalid", "com", "root", "servers", "codes"),
    [
        (NXDOMAIN, NXDOMAIN, SIGNED, ["192.0.2.53"], ["resolver-answers", "resolver-validates"]),
        (NXDOMAIN, NXDOMAIN, UNSIGNED, ["192.0.2.53"], ["resolver-answers", "resolver-trusts"]),
        (NXDOMAIN, NXDOMAIN, SIGNED, ["8.8.8.8"], ["resolver-public", "resolver-answers", "resolver-validates"]),
        (REWRITTEN, NXDOMAIN, TIMEOUT, ["192.0.2.53"], ["resolver-rewrites"]),
        (NXDOMAIN, REWRITTEN, TIMEOUT, ["192.0.2.53"], ["resolver-rewrites"]),
        (TIMEOUT, NXDOMAIN, TIMEOUT, ["192.0.2.53"], ["resolver-answers"]),
        (TIMEOUT, TIMEOUT, TIMEOUT, ["192.0.2.53"], ["resolver-silent"]),
    ],
)
async def test_resolver_findings_for_rewriting_and_dnssec(
    invalid: DnsAnswer | LookupFailed,
    com: DnsAnswer | LookupFailed,
    root: DnsAnswer | LookupFailed,
    servers: list[str],
    codes: list[str],
) -> None:
    async def lookup(name: str, _rdtype: str, /) -> DnsAnswer:
        result = {"invalid": invalid, "com": com}.get(name.rpartition(".")[2], root)
        if isinstance(result, LookupFailed):
            raise result
        return result

    findings = await resolver_findings(servers, lookup)
    assert [finding.code.removeprefix("doctor.") for finding in findings] == codes


def test_outdated_sources_are_named_and_counted() -> None:
    assert source_findings(()) == []
    (finding,) = source_findings(CATALOG.lists[:6])
    assert (finding.code, finding.verdict) == ("doctor.lists-outdated", Verdict.WARN)
    assert "Spamhaus ZEN, Spamhaus DBL, Barracuda, SpamCop and 2 more" in finding.summary


def test_doctor_findings_have_documented_unique_codes() -> None:
    ip = ip_address("198.51.100.1")
    findings = [
        port_finding(PortProbe()),
        port_finding(PortProbe("mx.example.com", ip, True)),
        port_finding(PortProbe("mx.example.com", ip, False)),
        port_finding(PortProbe("mx.example.com")),
        *egress_finding(ip, True),
        *egress_finding(ip, False),
        *egress_finding(ip, None),
        store_finding("embedded store", ()),
        store_finding("embedded store", ("It keeps nothing.",)),
        store_finding("embedded store", (), available=False),
        chat_finding([]),
        chat_finding(["Slack"]),
    ]
    assert {finding.code for finding in findings} <= CODES.keys()
    assert len({finding.code for finding in findings}) == len(findings)
