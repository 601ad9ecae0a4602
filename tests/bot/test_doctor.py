from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks.dnsbl import Trust
from bot.checks.dnsbl.test_points import Health
from bot.doctor import (
    CODES,
    PortTry,
    chat_finding,
    egress_finding,
    list_findings,
    port_finding,
    resolver_findings,
    store_finding,
)
from bot.models import Answer, LookupFailed


def lists(good: int, bad: int, reason: str, zen: tuple[Trust, str] = (Trust.GOOD, "")) -> list[Health]:
    rows = [Health(f"good-{n}", "Good", Trust.GOOD, "", 5) for n in range(good)]
    rows += [Health(f"bad-{n}", "Bad", Trust.UNUSABLE, reason, 5) for n in range(bad)]
    return [*rows, Health("spamhaus-zen", "Spamhaus ZEN", *zen, 5)]


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        (lists(60, 2, "emptied"), {"lists", "answers-arrive", "spamhaus-answers"}),
        (lists(2, 58, "stripped", (Trust.UNKNOWN, "stripped")), {"lists", "answers-stripped", "spamhaus-silent"}),
        (lists(0, 60, "emptied", (Trust.UNUSABLE, "emptied")), {"lists", "answers-hidden", "spamhaus-silent"}),
        (
            lists(50, 5, "blocked", (Trust.UNUSABLE, "public-resolver")),
            {"lists", "answers-arrive", "spamhaus-refuses"},
        ),
        (
            [Health("needs-key", "Keyed", Trust.UNKNOWN, "no-key", 0), *lists(3, 0, "")],
            {"lists", "answers-arrive", "spamhaus-answers"},
        ),
    ],
)
def test_what_the_lists_show_of_the_resolver(seen: list[Health], codes: set[str]) -> None:
    assert {finding.code.removeprefix("doctor.") for finding in list_findings(seen)} == codes


@pytest.mark.parametrize(
    ("zen", "code"),
    [
        ((Trust.GOOD, ""), "key-works"),
        ((Trust.UNUSABLE, "emptied"), "key-refused"),
        ((Trust.UNUSABLE, "key-disabled"), "key-refused"),
        ((Trust.UNUSABLE, "key-misused"), "key-refused"),
        ((Trust.UNUSABLE, "quota"), "spamhaus-refuses"),
        ((Trust.UNKNOWN, "timeout"), "key-not-known"),
    ],
)
def test_where_a_key_is_set_it_is_the_key_that_is_judged(zen: tuple[Trust, str], code: str) -> None:
    assert list_findings(lists(60, 2, "timeout", zen), keyed=True)[-1].code == f"doctor.{code}"


def test_a_key_is_not_blamed_where_every_list_seems_empty() -> None:
    hidden = lists(0, 60, "emptied", (Trust.UNUSABLE, "emptied"))
    assert list_findings(hidden, keyed=True)[-1].code == "doctor.key-not-known"


NOWHERE = Answer("x.invalid", "A", exists=False)
INVENTED = Answer("x", "A", ("203.0.113.7",))
SIGNED = Answer(".", "SOA", ("x",), authentic=True)
UNSIGNED = Answer(".", "SOA", ("x",))
SILENCE = LookupFailed("timeout")


@pytest.mark.parametrize(
    ("invalid", "com", "root", "servers", "codes"),
    [
        (NOWHERE, NOWHERE, SIGNED, ["192.0.2.53"], ["resolver-answers", "resolver-validates"]),
        (NOWHERE, NOWHERE, UNSIGNED, ["192.0.2.53"], ["resolver-answers", "resolver-trusts"]),
        (NOWHERE, NOWHERE, SIGNED, ["8.8.8.8"], ["resolver-public", "resolver-answers", "resolver-validates"]),
        (INVENTED, NOWHERE, SILENCE, ["192.0.2.53"], ["resolver-rewrites"]),
        (NOWHERE, INVENTED, SILENCE, ["192.0.2.53"], ["resolver-rewrites"]),
        (SILENCE, NOWHERE, SILENCE, ["192.0.2.53"], ["resolver-answers"]),
        (SILENCE, SILENCE, SILENCE, ["192.0.2.53"], ["resolver-silent"]),
    ],
)
async def test_what_a_resolver_makes_of_names_that_do_not_exist_and_of_signatures_is_told(
    invalid: Answer | LookupFailed,
    com: Answer | LookupFailed,
    root: Answer | LookupFailed,
    servers: list[str],
    codes: list[str],
) -> None:
    async def lookup(name: str, _kind: str, /) -> Answer:
        reply = {"invalid": invalid, "com": com}.get(name.rpartition(".")[2], root)
        if isinstance(reply, LookupFailed):
            raise reply
        return reply

    found = await resolver_findings(servers, lookup)
    assert [finding.code.removeprefix("doctor.") for finding in found] == codes


def test_every_finding_of_the_doctor_has_a_code_that_is_explained() -> None:
    ip = ip_address("198.51.100.1")
    found = [
        port_finding(PortTry()),
        port_finding(PortTry("mx.example.com", ip, True)),
        port_finding(PortTry("mx.example.com", ip, False)),
        port_finding(PortTry("mx.example.com")),
        *egress_finding(ip, True),
        *egress_finding(ip, False),
        *egress_finding(ip, None),
        store_finding("embedded store", ()),
        store_finding("embedded store", ("It keeps nothing.",)),
        store_finding("embedded store", (), "It is away."),
        chat_finding([]),
        chat_finding(["Slack"]),
    ]
    assert {finding.code for finding in found} <= CODES.keys()
    assert len({finding.code for finding in found}) == len(found)
