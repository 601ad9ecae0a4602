"""Sender requirements: every result follows from other findings, and none is worse."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import advice
from bot.checks import dkim, dmarc, dnsbl, mx, ptr, sender_requirements, spf
from bot.checks.sender_requirements.messages import BULK_SENDERS, RULE_TEXTS
from bot.checks.sender_requirements.rules import RECEIVERS, RULES, SIGNALS
from bot.finding_reference import SHARED_CODES
from bot.models import Finding, Verdict

PASS, UNKNOWN, WARN, FAIL = Verdict
ALL_GOOD = {"ptr.ok": PASS, "spf.pass": PASS, "dkim.ok": PASS, "dmarc.ok": PASS, "blocklist.not-listed": PASS}
CASES: list[tuple[dict[str, Verdict], dict[str, str]]] = [
    (ALL_GOOD, {"gmail": "would-take", "yahoo": "would-take", "microsoft": "would-take"}),
    ({"ptr.missing": FAIL}, {"gmail": "would-refuse", "yahoo": "would-refuse", "microsoft": "would-take"}),
    ({"ptr.missing": PASS}, {}),
    (
        {"dmarc.missing": WARN},
        {"gmail": "would-refuse-bulk", "yahoo": "would-refuse-bulk", "microsoft": "would-refuse-bulk"},
    ),
    ({"dmarc.ok": PASS, "dmarc.several": FAIL}, {"gmail": "would-take", "microsoft": "would-take"}),
    ({"dmarc.monitoring-only": WARN}, {"gmail": "would-take", "microsoft": "would-take"}),
    ({"spf.fail": FAIL}, {"gmail": "would-refuse-bulk", "microsoft": "would-refuse-bulk"}),
    ({"spf.fail": FAIL, "dkim.ok": PASS}, {"gmail": "would-refuse-bulk", "yahoo": "would-refuse-bulk"}),
    ({"spf.fail": FAIL, "dkim.no-selector-known": PASS}, {"gmail": "would-refuse-bulk"}),
    ({"spf.fail": FAIL, "dkim.revoked": FAIL}, {"gmail": "would-refuse", "microsoft": "would-refuse-bulk"}),
    ({"spf.fail": FAIL, "dkim.revoked": PASS}, {"gmail": "would-refuse-bulk"}),
    ({"spf.pass": PASS, "spf.uses-ptr": WARN}, {"gmail": "would-take"}),
    ({"spf.softfail": WARN, "spf.uses-ptr": WARN}, {"microsoft": "would-refuse-bulk"}),
    ({"spf.valid-record": PASS}, {"gmail": "would-take"}),
    ({"spf.too-many-lookups": FAIL}, {"microsoft": "would-refuse-bulk"}),
    ({"spf.client-not-listed": PASS}, {}),
    ({"dkim.weak-key": FAIL, "dkim.ok": PASS}, {"gmail": "would-refuse", "yahoo": "would-take"}),
    ({"blocklist.listed": FAIL}, {"gmail": "may-refuse", "yahoo": "may-refuse", "microsoft": "may-refuse"}),
    ({"blocklist.listed": WARN, "blocklist.not-listed": PASS}, {"gmail": "would-take"}),
    ({"blocklist.policy": PASS}, {}),
    ({"helo.missing": FAIL}, {"gmail": "may-refuse", "yahoo": "would-take"}),
    ({"ptr.no-answer": UNKNOWN}, {"gmail": "not-known", "microsoft": "would-take"}),
    ({"ptr.no-answer": UNKNOWN, "dmarc.missing": WARN}, {"gmail": "would-refuse-bulk"}),
    ({"spf.temporary-error": UNKNOWN, "dkim.ok": PASS}, {"gmail": "not-known"}),
    ({"mx.missing": FAIL, "bimi.missing": PASS}, {}),
    ({}, {}),
]


def findings_of(codes: Mapping[str, Verdict]) -> list[Finding]:
    return [
        Finding(code.partition(".")[0], "x", verdict, code, f"{code}.", "" if verdict is PASS else f"Mend {code}.")
        for code, verdict in codes.items()
    ]


def states_by_rule(finding: Finding) -> dict[str, str]:
    return {f"{row['rule']} {row['of']}": row["state"] for row in finding.facts["rules"]}


@pytest.mark.parametrize(("codes", "expected"), CASES)
def test_judge_codes_differ_by_receiver(codes: dict[str, Verdict], expected: dict[str, str]) -> None:
    code_by_receiver = {finding.subject: finding.code for finding in sender_requirements.judge(findings_of(codes))}
    assert {receiver: code_by_receiver.get(receiver) for receiver in expected} == {
        receiver: f"senders.{suffix}" for receiver, suffix in expected.items()
    }
    assert bool(code_by_receiver) == bool(expected)


def test_judge_summary_names_cause_and_reply_codes() -> None:
    gmail, yahoo, microsoft = sender_requirements.judge(findings_of({"ptr.missing": FAIL, "dmarc.missing": WARN}))
    assert gmail.summary == (
        "Gmail is likely to reject this mail: the address has no PTR record that resolves back to it "
        "(4.7.23 or 5.7.25)."
    )
    assert gmail.remediation == "Mend ptr.missing."
    assert (
        yahoo.summary == "Yahoo is likely to reject this mail: the address has no PTR record that resolves back to it."
    )
    assert microsoft.summary == (
        "Outlook.com is likely to reject this mail from a sender of more than 5,000 mails a day: "
        "there is no valid DMARC record (5.7.515)."
    )


def test_judge_rules_without_signals_are_not_visible() -> None:
    gmail, *_ = sender_requirements.judge(findings_of(ALL_GOOD))
    states = states_by_rule(gmail)
    assert states["reverse-name all"] == "met"
    assert states["helo all"] == "unseen"
    not_visible = {"tls all", "spam-rate all", "format all", "alignment bulk", "unsubscribe bulk"}
    assert {rule for rule, state in states.items() if state == "not-visible"} == not_visible
    assert {link.url for link in gmail.links} >= {"https://postmaster.google.com/"}


SIGNAL_CODES = sorted({code for rows in SIGNALS.values() for row in rows for code in row.codes})


@given(st.dictionaries(st.sampled_from(SIGNAL_CODES), st.sampled_from(Verdict)))
def test_judge_verdict_is_never_worse_than_its_causes(codes: dict[str, Verdict]) -> None:
    worst = max(codes.values(), default=PASS)
    for finding in sender_requirements.judge(findings_of(codes)):
        assert finding.verdict <= worst
        assert finding.code in sender_requirements.CODES
        assert bool(finding.remediation) == (finding.code != "senders.would-take")


def test_signals_use_only_documented_codes() -> None:
    code_tables = (dnsbl.CODES, dkim.CODES, dmarc.CODES, mx.CODES, ptr.CODES, spf.CODES, advice.CODES, SHARED_CODES)
    documented = {code for codes in code_tables for code in codes}
    assert {code for code in SIGNAL_CODES if code not in documented} <= {"dkim.broken"}


def test_rules_signals_and_receivers_are_consistent() -> None:
    required = {requirement.rule for receiver in RECEIVERS for requirement in receiver.requirements}
    assert required == RULES.keys()
    assert {name for rule in RULES.values() for name in rule.signals} == SIGNALS.keys()
    assert RULE_TEXTS.keys() == RULES.keys()
    assert all(RULE_TEXTS[rule.id].violation for rule in RULES.values() if rule.signals)
    assert BULK_SENDERS.keys() == {receiver.id for receiver in RECEIVERS}
