"""The 203 cases of the RFC 7208 suite, results and explanations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest

from bot.checks.spf.check_host import check_host
from bot.checks.spf.result import Evaluation
from tests.bot.checks.spf.suite import Case, cases
from tests.support.dns_world import World

SUITE = 203
EXPLAINED = 22


@pytest.fixture(scope="module")
def suite() -> list[Case]:
    return cases()


async def answer(case: Case) -> Evaluation:
    return await check_host(ip_address(case.ip), case.sender, case.helo, World(case.zone))


def wrong(case: Case, evaluation: Evaluation) -> list[str]:
    found = [] if evaluation.result in case.results else [f"{case.name}: {evaluation.result}, not {case.results}"]
    explanation = evaluation.explanation or "DEFAULT"
    if case.explanation is not None and explanation != case.explanation:
        found.append(f"{case.name}: explains {explanation!r}, not {case.explanation!r}")
    return found


async def test_every_case_of_the_suite_has_the_right_result_and_explanation(suite: list[Case]) -> None:
    complaints = [complaint for case in suite for complaint in wrong(case, await answer(case))]
    assert complaints == []
    assert Counter(case.explanation is not None for case in suite) == {True: EXPLAINED, False: SUITE - EXPLAINED}
    print(f"\nRFC 7208 suite: {len(suite)}/{SUITE} right, {EXPLAINED} explanations compared")


async def test_the_suite_would_see_a_wrong_answer(suite: list[Case]) -> None:
    explained = next(case for case in suite if case.explanation == "DEFAULT")
    evaluation = await answer(explained)
    assert wrong(explained, evaluation) == []
    mistaken = replace(explained, results=("pass",), explanation="Not this.")
    assert len(wrong(mistaken, evaluation)) == 2
