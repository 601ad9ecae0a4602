import json
from dataclasses import replace

import pytest

from bot.models import CheckRequest, Report, Role, SharedFacts, Target
from bot.report_json import report_from_json, report_to_json, report_to_line
from tests.support.reports import CLEAN, HALF_UNKNOWN, LISTED, PBL_ON_A_CLIENT

REPORTS = [
    CLEAN,
    LISTED,
    HALF_UNKNOWN,
    PBL_ON_A_CLIENT,
    replace(CLEAN, request=CheckRequest(Target(domain="example.com"), Role.CLIENT, "mail.example.com", ("s1", "s2"))),
    replace(CLEAN, request=CheckRequest(Target.of("2001:db8::1")), notes=("A note.",), cached=True),
]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.request))
def test_report_json_round_trips(report: Report) -> None:
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report


def test_report_json_has_documented_keys() -> None:
    document = report_to_json(LISTED)
    assert document["target"] == {"ip": "192.0.2.25", "domain": "example.com"}
    assert document["as"] == "mta"
    assert document["verdict"] == "fail"
    assert document["at"] == "2026-11-24T06:00:00Z"
    assert {"elapsed_ms", "queries", "cached", "findings"} <= document.keys()
    finding_keys = {"check", "about", "verdict", "code", "says", "facts", "links"}
    assert finding_keys <= document["findings"][0].keys()


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.request))
@pytest.mark.parametrize("shared", [False, True], ids=["own facts", "shared facts"])
def test_report_line_equals_report_json(report: Report, shared: bool) -> None:
    facts = SharedFacts if shared else dict
    findings = tuple(finding._replace(facts=facts(finding.facts)) for finding in report.findings)
    report = replace(report, findings=findings)
    assert json.loads(report_to_line(report)) == report_to_json(report)
    assert "\n" not in report_to_line(report)
