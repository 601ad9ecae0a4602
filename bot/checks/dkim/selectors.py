"""Selectors to query when none is known: those of the services that the domain shows to use, and common ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.checks.mail_services import MailService, any_below, mail_services

MAX_SELECTORS = 40


def recognize(include_domains: Iterable[str], mx_hosts: Iterable[str]) -> tuple[MailService, ...]:
    """Return the services found in the SPF record or among the MX hosts of a domain."""
    spf, mx = tuple(include_domains), tuple(mx_hosts)
    return tuple(service for service in mail_services() if any_below(spf, service.spf) or any_below(mx, service.mx))


def candidate_selectors(recognized: Iterable[MailService]) -> tuple[str, ...]:
    """Return at most forty selectors, those of recognized services first."""
    candidates = (*recognized, *(service for service in mail_services() if service.common))
    names = dict.fromkeys(selector for service in candidates for selector in service.selectors)
    return tuple(names)[:MAX_SELECTORS]
