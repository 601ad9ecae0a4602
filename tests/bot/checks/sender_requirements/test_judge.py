"""Would they take the mail? Every answer follows from what other checks found, and none is worse than that."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checks import dkim, dmarc, dnsbl, ptr, sender_requirements, spf
from bot.checks.sender_requirements.rules import RECEIVERS, RULES, SIGNALS
from bot.finding_reference import OURS
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


def found(codes: Mapping[str, Verdict]) -> list[Finding]:
    return [
        Finding(code.partition(".")[0], "x", verdict, code, f"{code}.", "" if verdict is PASS else f"Mend {code}.")
        for code, verdict in codes.items()
    ]


def table(finding: Finding) -> dict[str, str]:
    return {f"{row['rule']} {row['of']}": row["state"] for row in finding.facts["rules"]}


@pytest.mark.parametrize(("codes", "expected"), CASES)
def test_each_receiver_judges_by_its_own_rules(codes: dict[str, Verdict], expected: dict[str, str]) -> None:
    judged = {finding.about: finding.code for finding in sender_requirements.judge(found(codes))}
    assert {about: judged.get(about) for about in expected} == {
        about: f"senders.{word}" for about, word in expected.items()
    }
    assert bool(judged) == bool(expected)


def test_the_sentence_names_the_cause_and_the_reply_and_the_step_is_that_of_the_cause() -> None:
    gmail, yahoo, microsoft = sender_requirements.judge(found({"ptr.missing": FAIL, "dmarc.missing": WARN}))
    assert gmail.says == (
        "Gmail would refuse this mail: the address has no reverse name that leads back to it (4.7.23 or 5.7.25)."
    )
    assert gmail.step == "Mend ptr.missing."
    assert yahoo.says == "Yahoo would refuse this mail: the address has no reverse name that leads back to it."
    assert microsoft.says == (
        "Outlook.com would refuse this mail from a sender of more than 5,000 mails a day: "
        "there is no valid DMARC record (5.7.515)."
    )


def test_what_shows_in_no_record_is_said_to_be_not_visible() -> None:
    gmail, *_ = sender_requirements.judge(found(ALL_GOOD))
    states = table(gmail)
    assert states["reverse-name all"] == "met"
    assert states["helo all"] == "unseen"
    hidden = {"tls all", "spam-rate all", "format all", "alignment bulk", "unsubscribe bulk"}
    assert {rule for rule, state in states.items() if state == "not-visible"} == hidden
    assert {link.url for link in gmail.links} >= {"https://postmaster.google.com/"}


KNOWN = sorted({code for rows in SIGNALS.values() for row in rows for code in row.codes})


@given(st.dictionaries(st.sampled_from(KNOWN), st.sampled_from(Verdict)))
def test_no_judgement_is_worse_than_what_it_was_judged_from(codes: dict[str, Verdict]) -> None:
    worst = max(codes.values(), default=PASS)
    for finding in sender_requirements.judge(found(codes)):
        assert finding.verdict <= worst
        assert finding.code in sender_requirements.CODES
        assert bool(finding.step) == (finding.code != "senders.would-take")


def test_the_rules_know_only_codes_that_checks_have() -> None:
    rooms = (dnsbl.CODES, dkim.CODES, dmarc.CODES, ptr.CODES, spf.CODES, OURS)
    told = {code for codes in rooms for code in codes}
    assert {code for code in KNOWN if code not in told} <= {"dkim.broken"}


def test_the_tables_fit_together() -> None:
    demanded = {demand.rule for receiver in RECEIVERS for demand in receiver.demands}
    assert demanded == RULES.keys()
    assert {name for rule in RULES.values() for name in rule.signals} == SIGNALS.keys()
    assert all(rule.lacks for rule in RULES.values() if rule.signals)
    assert sender_requirements.SAYS.keys() == sender_requirements.CODES.keys()
