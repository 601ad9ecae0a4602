"""Prometheus metrics of the process."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.models import Report

BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 9.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    registry: CollectorRegistry
    checks: Counter
    check_seconds: Histogram
    dns_queries: Counter
    poll_overdue_s: Gauge
    last_poll_age_s: Gauge
    channels_waiting: Gauge
    lists_quarantined: Gauge
    unreadable_values: Counter

    def record_report(self, report: Report) -> None:
        self.checks.labels(verdict=str(report.verdict), cached=str(report.cached).lower()).inc()
        if not report.cached:
            self.check_seconds.observe(report.elapsed_ms / 1000)
            self.dns_queries.inc(report.queries)


def build_metrics() -> Metrics:
    """Build the metrics on their own registry, so that two bots in one process do not add up."""
    registry = CollectorRegistry()
    return Metrics(
        registry,
        Counter("mailcheck_checks", "Reports returned", ("verdict", "cached"), registry=registry),
        Histogram("mailcheck_check_seconds", "Seconds from request to report", buckets=BUCKETS_S, registry=registry),
        Counter("mailcheck_dns_questions", "DNS queries made by reports", registry=registry),
        Gauge("mailcheck_looks_overdue_seconds", "Age of the oldest overdue poll in seconds", registry=registry),
        Gauge("mailcheck_last_poll_age_seconds", "Age of the last finished poll; 0: no watches", registry=registry),
        Gauge("mailcheck_rooms_waiting", "Channels with an outbox message due", registry=registry),
        Gauge("mailcheck_lists_held", "Blocklists in quarantine", registry=registry),
        Counter("mailcheck_unreadable_values", "Stored values that cannot be read", ("kind",), registry=registry),
    )
