import json
from dataclasses import replace

import pytest

from bot.models import Order, Report, Role, SharedFacts, Target
from bot.report_json import report_from_json, report_to_json, report_to_line
from tests.support.reports import CLEAN, HALF_UNKNOWN, LISTED, PBL_ON_A_CLIENT

REPORTS = [
    CLEAN,
    LISTED,
    HALF_UNKNOWN,
    PBL_ON_A_CLIENT,
    replace(CLEAN, order=Order(Target(domain="example.com"), Role.CLIENT, "mail.example.com", ("s1", "s2"))),
    replace(CLEAN, order=Order(Target.of("2001:db8::1")), notes=("A note.",), cached=True),
]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.order))
def test_a_report_comes_back_from_its_json_as_it_was(report: Report) -> None:
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report


def test_the_json_of_a_report_has_the_promised_names() -> None:
    document = report_to_json(LISTED)
    assert document["target"] == {"ip": "192.0.2.25", "domain": "example.com"}
    assert (document["as"], document["verdict"], document["at"]) == ("mta", "fail", "2026-11-24T06:00:00Z")
    assert {"elapsed_ms", "queries", "cached", "findings"} <= document.keys()
    assert {"check", "about", "verdict", "code", "says", "facts", "links"} <= document["findings"][0].keys()


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.order))
@pytest.mark.parametrize("shared", [False, True], ids=["own facts", "shared facts"])
def test_the_line_of_a_report_says_what_its_json_says(report: Report, shared: bool) -> None:
    facts = SharedFacts if shared else dict
    findings = tuple(finding._replace(facts=facts(finding.facts)) for finding in report.findings)
    report = replace(report, findings=findings)
    assert json.loads(report_to_line(report)) == report_to_json(report)
    assert "\n" not in report_to_line(report)
