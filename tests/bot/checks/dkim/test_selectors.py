"""Selectors to query when none is known."""

from __future__ import annotations

import pytest

from bot.checks.dkim.selectors import MAX_SELECTORS, candidate_selectors, recognize
from bot.checks.mail_services import mail_services, spf_domains


@pytest.mark.parametrize(
    ("spf", "mx_host", "name"),
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
def test_recognize_sender_by_spf_or_mx(spf: str, mx_host: str, name: str) -> None:
    assert [sender.name for sender in recognize(spf_domains([spf]), [mx_host])] == [name]


@pytest.mark.parametrize("spf", ["v=spf1 include:notsendgrid.net -all", "include:sendgrid.net", "v=spf1 a mx -all"])
def test_recognize_similar_name_is_not_a_sender(spf: str) -> None:
    assert recognize(spf_domains([spf]), ["mx.example.com"]) == ()


def test_candidate_selectors_start_with_recognized_sender() -> None:
    mandrill = [sender for sender in mail_services() if sender.name == "Mandrill"]
    assert candidate_selectors(mandrill)[:1] == ("mandrill",)
    assert "mandrill" not in candidate_selectors(())


def test_candidate_selectors_are_unique_and_limited() -> None:
    assert len(candidate_selectors(())) == len(set(candidate_selectors(()))) < MAX_SELECTORS
    assert len(candidate_selectors(mail_services())) == MAX_SELECTORS


def test_mail_services_have_selectors_and_can_be_matched() -> None:
    for sender in mail_services():
        assert sender.selectors
        assert sender.common or sender.spf or sender.mx
        assert all(selector == selector.lower() for selector in sender.selectors)


def test_mail_service_has_the_cost_of_its_include_and_its_console() -> None:
    for service in mail_services():
        assert bool(service.include) == bool(service.lookups), service.name
        assert not service.include or any(f".{service.include}".endswith(f".{spf}") for spf in service.spf), (
            service.name
        )
        assert not (service.include or service.ptr or service.dkim) or service.console, service.name
