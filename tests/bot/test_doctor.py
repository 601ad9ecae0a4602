from __future__ import annotations

from ipaddress import ip_address

import pytest

from bot.checks.blocklists import Trust
from bot.checks.blocklists.survey import Health
from bot.doctor import CODES, PortTry, chat_finding, list_findings, port_finding, resolver_findings, store_finding
from bot.model import Answer, LookupFailed


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


async def resolver_says(answer: Answer | LookupFailed, servers: tuple[str, ...] = ("192.0.2.53",)) -> list[str]:
    async def lookup(_name: str, _kind: str, /) -> Answer:
        if isinstance(answer, LookupFailed):
            raise answer
        return answer

    return [finding.code for finding in await resolver_findings(servers, lookup)]


async def test_a_resolver_that_invents_answers_or_is_silent_or_everybodys_is_told() -> None:
    right = Answer("x.invalid", "A", exists=False)
    assert await resolver_says(right) == ["doctor.resolver-answers"]
    assert await resolver_says(right, ("8.8.8.8",)) == ["doctor.resolver-public", "doctor.resolver-answers"]
    assert await resolver_says(Answer("x.invalid", "A", ("203.0.113.7",))) == ["doctor.resolver-rewrites"]
    assert await resolver_says(LookupFailed("timeout")) == ["doctor.resolver-silent"]


def test_every_finding_of_the_doctor_has_a_code_that_is_explained() -> None:
    ip = ip_address("198.51.100.1")
    found = [
        port_finding(PortTry()),
        port_finding(PortTry("mx.example.com", ip, True)),
        port_finding(PortTry("mx.example.com", ip, False)),
        store_finding("embedded store", ()),
        store_finding("embedded store", ("It keeps nothing.",)),
        store_finding("embedded store", (), "It is away."),
        chat_finding([]),
        chat_finding(["Slack"]),
    ]
    assert {finding.code for finding in found} <= CODES.keys()
    assert len({finding.code for finding in found}) == len(found)
