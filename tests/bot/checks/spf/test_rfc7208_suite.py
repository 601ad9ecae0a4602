"""The 203 cases of the RFC 7208 test suite: results and explanations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest

from bot.checks.spf.check_host import check_host
from bot.checks.spf.result import SpfResult
from tests.bot.checks.spf.suite import Case, cases
from tests.support.dns_world import World

CASE_COUNT = 203
EXPLAINED_COUNT = 22


@pytest.fixture(scope="module")
def suite() -> list[Case]:
    return cases()


async def evaluate(case: Case) -> SpfResult:
    return await check_host(ip_address(case.ip), case.sender, case.helo, World(case.zone))


def complaints_about(case: Case, result: SpfResult) -> list[str]:
    complaints = [] if result.code in case.results else [f"{case.name}: {result.code}, not {case.results}"]
    explanation = result.explanation or "DEFAULT"
    if case.explanation is not None and explanation != case.explanation:
        complaints.append(f"{case.name}: explains {explanation!r}, not {case.explanation!r}")
    return complaints


async def test_check_host_passes_every_case_of_the_suite(suite: list[Case]) -> None:
    complaints = [complaint for case in suite for complaint in complaints_about(case, await evaluate(case))]
    assert complaints == []
    assert Counter(case.explanation is not None for case in suite) == {
        True: EXPLAINED_COUNT,
        False: CASE_COUNT - EXPLAINED_COUNT,
    }
    print(f"\nRFC 7208 suite: {len(suite)}/{CASE_COUNT} right, {EXPLAINED_COUNT} explanations compared")


async def test_suite_detects_a_wrong_result(suite: list[Case]) -> None:
    explained = next(case for case in suite if case.explanation == "DEFAULT")
    result = await evaluate(explained)
    assert complaints_about(explained, result) == []
    mistaken = replace(explained, results=("pass",), explanation="Not this.")
    assert len(complaints_about(mistaken, result)) == 2
