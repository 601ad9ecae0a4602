"""Ten companies: the worst finding, who may send, and that the next step helps and breaks nobody."""

from __future__ import annotations

import pytest

from bot.models import Finding, Report, Verdict
from tests.support.companies import COMPANIES, Company, explanation_of, report_of

COMPANY = pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.domain)
WITH_NEW_RECORD = [company for company in COMPANIES if company.new_record]


def problems(report: Report) -> list[Finding]:
    return [each for each in report.findings if each.verdict >= Verdict.WARN and each.check != "senders"]


@COMPANY
def test_company_gets_the_verdict_and_senders_of_a_consultant(company: Company) -> None:
    report, explanation = report_of(company), explanation_of(company)
    worst = max(problems(report), key=lambda finding: finding.verdict, default=None)
    assert (worst.code if worst else "") == company.worst
    assert explanation
    assert tuple(row.sender for row in explanation.senders) == company.senders


@COMPANY
def test_every_problem_of_a_company_has_a_next_step(company: Company) -> None:
    assert [finding.code for finding in problems(report_of(company)) if not finding.remediation] == []


@pytest.mark.parametrize("company", WITH_NEW_RECORD, ids=lambda company: company.domain)
def test_next_step_of_a_company_solves_the_problem_and_makes_no_other(company: Company) -> None:
    before = report_of(company)
    change = next(finding for finding in before.findings if finding.code == company.worst).facts["change"]
    assert change["new"] == company.new_record
    zone = {company.domain: {**company.zone[company.domain], "TXT": [change["new"]]}}
    after = {finding.code for finding in problems(report_of(company, zone))}
    assert after <= {finding.code for finding in problems(before)} - {company.worst}
