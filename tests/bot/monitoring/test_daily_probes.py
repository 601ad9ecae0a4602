"""The checks of watches with their own clients, as the composition root builds them, on a real DNS server."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bot.app import build_monitoring, open_core
from bot.checks.registry import WATCH_EVERY
from bot.models import Report
from bot.settings import HostPort, ProbeSmtp, Settings
from tests.support.dns_server import serve
from tests.support.mail_world import mail_world
from tests.support.stored_watches import watch

DOMAIN, BOOTSTRAP_HOST = "example.com", "data.iana.org"
STS = {f"_mta-sts.{DOMAIN}": {"TXT": ["v=STSv1; id=1"]}, f"mta-sts.{DOMAIN}": {"A": ["127.0.0.1"]}}


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings if finding.check in WATCH_EVERY}


@pytest.mark.parametrize("probe_smtp", ProbeSmtp)
async def test_watch_runs_daily_checks_and_no_probe_that_is_off(probe_smtp: ProbeSmtp, redis_url: str) -> None:
    """The mail and web servers are at special-purpose addresses, to which nothing connects."""
    async with serve({**mail_world(), **STS}) as dns:
        settings = Settings(
            redis_url=SecretStr(redis_url), nameservers=(HostPort(dns.host, dns.port),), probe_smtp=probe_smtp
        )
        async with open_core(settings, needs_store=True) as core:
            assert core.store
            monitoring = build_monitoring(core, core.store)
            first = await monitoring.first_poll(watch(None, DOMAIN))
    expected = {"mta-sts.no-policy", "registration.no-answer", "bimi.missing"}
    if probe_smtp is not ProbeSmtp.OFF:
        expected.add("starttls.no-answer")
    assert [codes(report) for report in first] == [expected]
    assert {BOOTSTRAP_HOST, f"mta-sts.{DOMAIN}"} <= {name for name, _ in dns.queries}
