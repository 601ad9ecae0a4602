"""Builders of findings and reports, and sample reports for message tests."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.models import CheckRequest, Finding, Link, Report, Role, Target, Verdict

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
REQUEST = CheckRequest(Target.of("192.0.2.25", "example.com"))
FORM = "https://check.spamhaus.org/results/?query=192.0.2.25"


def listing(name: str, verdict: Verdict = Verdict.FAIL, state: str = "listed", **facts: object) -> Finding:
    return Finding(
        check="blocklist",
        subject=name.lower().replace(" ", "-"),
        verdict=verdict,
        code=f"blocklist.{state.replace('_', '-')}",
        summary=f"{name} says {state}.",
        remediation="Fix the cause, then ask for removal." if verdict >= Verdict.WARN else "",
        facts={"state": state, "name": name, "severity": "high", **facts},
        links=(Link("Removal form", FORM),) if verdict >= Verdict.WARN else (),
    )


def finding(
    check: str, verdict: Verdict = Verdict.PASS, summary: str = "It is right.", remediation: str = ""
) -> Finding:
    return Finding(check, "example.com", verdict, f"{check}.word", summary, remediation)


def report(
    *findings: Finding, request: CheckRequest = REQUEST, cached: bool = False, notes: tuple[str, ...] = ()
) -> Report:
    return Report(request, AT, findings, elapsed_ms=612, queries=131, cached=cached, notes=notes)


CLEAN = report(
    *(listing(f"List {n}", Verdict.PASS, "not_listed") for n in range(60)),
    *(finding(check) for check in ("ptr", "spf", "dmarc", "mx")),
)
LISTED = report(
    listing("Spamhaus ZEN", txt=["https://check.spamhaus.org/query/ip/192.0.2.25"], sublists=["spamhaus-xbl"]),
    *(listing(f"List {n}", Verdict.PASS, "not_listed") for n in range(59)),
    finding("ptr", Verdict.FAIL, "192.0.2.25 has no PTR record.", "Ask your provider to set one."),
    finding("spf", Verdict.WARN, "SPF softfails for this address.", "Add ip4:192.0.2.25."),
    finding("dmarc"),
    finding("mx"),
)
HALF_UNKNOWN = report(
    *(listing(f"List {n}", Verdict.PASS, "not_listed") for n in range(30)),
    *(listing(f"Silent {n}", Verdict.UNKNOWN, "unknown", reason="timeout") for n in range(25)),
    *(listing(f"Shy {n}", Verdict.UNKNOWN, "unusable", reason="public-resolver") for n in range(5)),
    finding("ptr", Verdict.UNKNOWN, "DNS did not answer, so the PTR record is not known."),
    finding("spf"),
)
PBL_ON_A_CLIENT = report(
    listing("Spamhaus ZEN", Verdict.PASS, "listed", sublists=["spamhaus-pbl"], effect="policy"),
    *(listing(f"List {n}", Verdict.PASS, "not_listed") for n in range(59)),
    finding("ptr"),
    request=CheckRequest(Target.of("192.0.2.25"), Role.CLIENT),
)
