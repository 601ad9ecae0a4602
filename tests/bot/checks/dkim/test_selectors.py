"""Which selectors are asked for when nobody named one."""

from __future__ import annotations

import pytest

from bot.checks.dkim.selectors import MOST_SELECTORS, guesses, recognise, senders, spf_names


@pytest.mark.parametrize(
    ("spf", "exchanges", "name"),
    [
        ("v=spf1 include:spf.protection.outlook.com -all", "", "Microsoft 365"),
        ("", "example-com.mail.protection.outlook.com", "Microsoft 365"),
        ("v=spf1 ?include:_spf.google.com ~all", "", "Google Workspace"),
        ("", "aspmx.l.google.com", "Google Workspace"),
        ("v=spf1 include:u123.wl.sendgrid.net ~all", "", "SendGrid"),
        ("v=spf1 redirect=spf.messagingengine.com", "", "Fastmail"),
        ("V=SPF1 INCLUDE:SPF.MANDRILLAPP.COM", "", "Mandrill"),
    ],
)
def test_a_sender_is_recognised_by_spf_or_mx(spf: str, exchanges: str, name: str) -> None:
    assert [sender.name for sender in recognise(spf_names([spf]), [exchanges])] == [name]


@pytest.mark.parametrize("spf", ["v=spf1 include:notsendgrid.net -all", "include:sendgrid.net", "v=spf1 a mx -all"])
def test_what_only_looks_like_a_sender_is_not_recognised(spf: str) -> None:
    assert recognise(spf_names([spf]), ["mx.example.com"]) == ()


def test_a_recognised_sender_is_asked_for_first() -> None:
    mandrill = [sender for sender in senders() if sender.name == "Mandrill"]
    assert guesses(mandrill)[:1] == ("mandrill",)
    assert "mandrill" not in guesses(())


def test_there_is_a_limit_and_no_selector_is_asked_twice() -> None:
    assert len(guesses(())) == len(set(guesses(()))) < MOST_SELECTORS
    assert len(guesses(senders())) == MOST_SELECTORS


def test_every_sender_of_the_file_can_be_reached() -> None:
    for sender in senders():
        assert sender.selectors
        assert sender.common or sender.spf or sender.mx
        assert all(selector == selector.lower() for selector in sender.selectors)
