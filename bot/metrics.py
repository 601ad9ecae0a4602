"""What the bot counts about itself, for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.models import Report

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 9.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    registry: CollectorRegistry
    checks: Counter
    seconds: Histogram
    questions: Counter
    overdue: Gauge
    waiting: Gauge
    held: Gauge

    def count(self, report: Report) -> None:
        self.checks.labels(verdict=str(report.verdict), cached=str(report.cached).lower()).inc()
        if not report.cached:
            self.seconds.observe(report.elapsed_ms / 1000)
            self.questions.inc(report.queries)


def metrics() -> Metrics:
    """A registry of its own, so that two bots in one process do not add up."""
    registry = CollectorRegistry()
    return Metrics(
        registry,
        Counter("mailcheck_checks", "Reports given", ("verdict", "cached"), registry=registry),
        Histogram("mailcheck_check_seconds", "Time to a report", buckets=SECONDS, registry=registry),
        Counter("mailcheck_dns_questions", "DNS questions that reports asked", registry=registry),
        Gauge(
            "mailcheck_looks_overdue_seconds", "How long the look that waits longest has been due", registry=registry
        ),
        Gauge("mailcheck_rooms_waiting", "Rooms with something to be told now", registry=registry),
        Gauge("mailcheck_lists_held", "Blocklists that no watch believes just now", registry=registry),
    )
