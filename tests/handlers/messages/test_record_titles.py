"""Titles and steps of records that were removed or changed."""

from __future__ import annotations

import json

import pytest

from bot.monitoring.models import Observation, ObservedState
from bot.monitoring.record_changes import MAX_RESTORED
from handlers.message import Card, Tone
from handlers.messages.record_titles import record_title
from handlers.slack.block_kit import render_message
from handlers.teams.adaptive_card import message
from tests.support.incident_stories import T0


def observation(check: str, previous: str, value: str, subject: str = "", config_key: str = "") -> Observation:
    return Observation(
        check,
        subject,
        ObservedState.LISTED,
        T0,
        previous_value=previous,
        value=value,
        config_key=config_key,
        notify_once=bool(config_key),
    )


@pytest.mark.parametrize(
    ("seen", "title"),
    [
        (observation("spf", "v=spf1 -all", ""), "SPF record removed"),
        (observation("dmarc", "p=reject; rua=mailto:a@b.example", ""), "DMARC record removed (was p=reject)"),
        (observation("dmarc", "reject", ""), "DMARC record removed (was p=reject)"),
        (observation("dmarc", "p=reject", "p=none; aspf=s"), "DMARC weakened (p=reject → p=none)"),
        (observation("dkim", "RSA 2048 ab", "", "s1._domainkey.example.com"), "DKIM key of selector s1 removed"),
        (observation("dkim", "RSA 2048 ab", "RSA 2048 cd", "", "dkim.a.b"), "DKIM key of selector a.b changed"),
        (observation("mx", "192.0.2.1", "192.0.2.2", "", "mx.mx1.example.com"), "Address of mx1.example.com changed"),
        (observation("network", "ns1.example", "ns2.example", "", "ns"), "Name servers changed"),
        (observation("ptr", "mail.example.com", "a.example.com", "", "ptr@192.0.2.1"), "PTR record changed"),
        (observation("ptr", "mail.example.com", ""), "PTR record removed (was mail.example.com)"),
        (observation("tls-rpt", "", "", "", "tls-rpt"), "TLS-RPT record removed"),
        (observation("spf", "v=spf1 -all", "v=spf1 +all"), ""),
        (observation("spf", "", ""), ""),
        (observation("blocklist", "", ""), ""),
    ],
)
def test_title_names_the_record_and_what_happened(seen: Observation, title: str) -> None:
    assert record_title(seen) == title


@pytest.mark.parametrize("render", [render_message, message], ids=["slack", "teams"])
def test_longest_record_to_restore_is_not_cut(render) -> None:
    record = "v=DKIM1; k=rsa; p=" + "A1b2" * ((MAX_RESTORED - 18) // 4)
    card = Card("DKIM key of selector s1 removed", Tone.BAD, step=f"Restore: `{record}`")
    assert record in json.dumps(render(card))
