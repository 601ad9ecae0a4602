"""Logs of every family: messages, directions and causes are counted exactly."""

from __future__ import annotations

import pytest

from bot.bounces.mail_log import find_bounces, summarize_with_examples
from tests.support.mail_logs import CLIENT, FAMILIES, SENDER, Family, messages

MESSAGES = 400


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_log_of_family_is_counted_by_message_direction_and_cause(family: Family) -> None:
    truth = family.truth(messages(MESSAGES))
    _, summary = summarize_with_examples(family.lines(messages(MESSAGES)))
    counts = (summary.bounced, summary.deferred, summary.recovered, summary.sent, summary.refused_by_us)
    assert counts == (truth.bounced, truth.deferred, truth.recovered, truth.sent, truth.refused_by_us)
    assert {(cause.cause, cause.list): cause.messages for cause in summary.causes} == truth.causes
    assert not summary.at_least


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_address_of_family_is_the_senders_or_the_refused_clients(family: Family) -> None:
    by_direction: dict[str, set[str | None]] = {"outbound": set(), "inbound": set()}
    for bounce in find_bounces(family.lines(messages(20))):
        by_direction[bounce.direction].add(bounce.ip)
    assert by_direction["outbound"] <= {SENDER, None}
    assert by_direction["inbound"] <= {CLIENT}
