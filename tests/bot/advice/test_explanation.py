"""The summary of a set-up: who may send, what is unused, what breaks next, and three changes in order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.advice.explanation import SenderRow, explain
from handlers.message import Table
from handlers.messages import explanation_card
from tests.bot.advice.test_steps import GOOGLE, OWN, D, report_of

KEY = "v=DKIM1; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"
SHOP: dict[str, Any] = {
    D: GOOGLE | {"TXT": ["v=spf1 mx ip4:203.0.113.9 include:_spf.google.com include:sendgrid.net ~all"]},
    "sendgrid.net": {"TXT": ["v=spf1 ip4:198.51.100.42 ~all"]},
    f"_dmarc.{D}": {"TXT": [f"v=DMARC1; p=none; rua=mailto:d@{D}"]},
    f"s1._domainkey.{D}": {"CNAME": ["k1.domainkey.u1.wl.sendgrid.net"]},
}


async def test_explanation_lists_senders_and_how_they_align() -> None:
    explanation = explain(await report_of(SHOP))
    assert explanation
    assert explanation.senders == (
        SenderRow("Google Workspace", ("include:_spf.google.com",), (), "SPF"),
        SenderRow("SendGrid", ("include:sendgrid.net",), (f"s1._domainkey.{D}",), "DKIM"),
        SenderRow("own servers", ("ip4:203.0.113.9",), (), "SPF"),
    )
    assert [text.partition(":")[0] for text in explanation.unused] == ["mx", "include"]
    assert explanation.others == "Mail from anyone else: SPF softfails (~all); DMARC changes nothing (p=none)."
    assert any("monitoring" in text for text in explanation.next_to_break)
    assert json.loads(json.dumps(explanation.to_json()))["domain"] == D


@pytest.mark.parametrize("lookups", [7, 8, 10])
async def test_explanation_warns_of_lookups_that_are_nearly_used_up(lookups: int) -> None:
    includes = {f"i{n}.{D}": {"TXT": [f"v=spf1 ip4:203.0.113.{n} -all"]} for n in range(lookups)}
    record = " ".join(["v=spf1", *(f"include:{name}" for name in includes), "-all"])
    explanation = explain(await report_of({D: OWN | {"TXT": [record]}, **includes}))
    assert explanation
    warned = [text for text in explanation.next_to_break if "DNS lookups" in text]
    assert len(warned) == (lookups >= 8)


async def test_explanation_has_at_most_three_changes_worst_first() -> None:
    report = await report_of({D: {"A": ["203.0.113.1"], "TXT": ["v=spf1 +all"]}}, "203.0.113.9")
    explanation = explain(report)
    assert explanation
    assert len(explanation.changes) == 3
    steps = {f.remediation: f.verdict for f in report.findings}
    assert [steps[text] for text in explanation.changes] == sorted(steps[text] for text in explanation.changes)[::-1]


async def test_explanation_card_without_senders_allows_none() -> None:
    explanation = explain(await report_of({D: {"MX": ["0 ."], "TXT": ["v=spf1 -all"]}}))
    assert explanation
    card = explanation_card(explanation)
    assert card.table is None
    assert card.lines[0].text == f"No server is listed: nothing may send as {D}."


async def test_explanation_card_shows_selectors_without_their_domain() -> None:
    explanation = explain(await report_of(SHOP))
    assert explanation
    table = explanation_card(explanation).table
    assert isinstance(table, Table)
    assert table.rows[1] == ("SendGrid", "include:sendgrid.net", "s1", "DKIM")


async def test_address_alone_has_no_explanation() -> None:
    report = await report_of({}, "203.0.113.9")
    address_only = report.request.__class__(report.request.target.__class__(report.request.target.ip))
    assert explain(report.__class__(address_only, report.at, report.findings, 1, 1)) is None


@pytest.mark.parametrize(
    "record", ["v=spf1 mx include:none.partner.example -all", "v=spf1 mx ip5:1 -all", "v=spf1 mx -all extra,"]
)
async def test_explanation_lets_no_sender_pass_by_a_broken_record(record: str) -> None:
    explanation = explain(await report_of({D: OWN | {"TXT": [record]}}))
    assert explanation
    assert {row.aligned for row in explanation.senders} <= {"nothing: SPF is invalid"}


async def test_over_the_limit_of_lookups_only_what_matches_early_passes() -> None:
    includes = {f"i{n}.{D}": {"TXT": [f"v=spf1 ip4:203.0.113.{n} -all"]} for n in range(11)}
    record = " ".join(["v=spf1", *(f"include:{name}" for name in includes), "-all"])
    explanation = explain(await report_of({D: OWN | {"TXT": [record]}, **includes}))
    assert explanation
    assert {row.aligned for row in explanation.senders} == {"SPF, if matched early"}
