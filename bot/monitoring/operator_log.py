"""What the operator of the bot reads in its log and no channel hears: faults of lists, and of the resolver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from bot.checks.dnsbl.resolver_fault import FAULT
from bot.models import Report
from bot.monitoring.dnsbl_quarantine import ListNotice

FAULT_LOG_INTERVAL = timedelta(hours=1)

log = structlog.get_logger()


def log_notice(notice: ListNotice) -> None:
    """Log a list notice; one about many lists is about the resolver."""
    log.warning(
        "list notice" if len(notice.list_ids) == 1 else "the resolver changed: run mailcheck doctor",
        reason=str(notice.reason),
        lists=list(notice.list_ids),
        newly_listed=notice.newly_listed,
        answered=notice.answered,
    )


class ResolverFaultLog:
    """Logs that polls of watches see a fault of the resolver, once an hour while it lasts, and its end."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._since: datetime | None = None
        self._logged_at: datetime | None = None

    def record(self, reports: Sequence[Report]) -> None:
        """Record the reports of one round; a few targets with a fault are those of other name servers."""
        faults = [finding for report in reports for finding in report.findings if finding.code == FAULT]
        with_lists = sum(any(f.check == "blocklist" for f in report.findings) for report in reports)
        now = self._clock()
        if not with_lists:
            return
        if len(faults) * 2 < with_lists:
            if self._since:
                log.warning("the resolver answers watches again", failed_since=self._since.isoformat())
            self._since = self._logged_at = None
            return
        self._since = self._since or now
        if self._logged_at is None or not timedelta(0) <= now - self._logged_at < FAULT_LOG_INTERVAL:
            self._logged_at = now
            log.error(
                "the resolver fails, so watches see nothing: run mailcheck doctor",
                since=self._since.isoformat(),
                reason=faults[0].summary,
            )
