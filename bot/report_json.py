"""The public JSON schema of a report. Any change here is a breaking change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from bot.models import CheckRequest, Finding, Link, Report, Role, SharedFacts, Target, Verdict

dumps = json.JSONEncoder(ensure_ascii=False).encode
quote = json.encoder.encode_basestring


def report_to_json(report: Report) -> dict[str, Any]:
    return {**_frame(report), "findings": [finding_to_json(finding) for finding in report.findings]}


def report_to_line(report: Report) -> str:
    """`report_to_json` as one line of text; parts that findings share are encoded once."""
    frame = dumps(_frame(report)).removesuffix("}")
    findings = ", ".join([_finding_to_text(finding) for finding in report.findings])
    return f'{frame}, "findings": [{findings}]}}'


def _frame(report: Report) -> dict[str, Any]:
    target = report.request.target
    return {
        "target": {"ip": str(target.ip) if target.ip else None, "domain": target.domain},
        **({"mailbox": target.mailbox} if target.mailbox else {}),
        "as": str(report.request.role),
        "helo": report.request.helo,
        "selectors": list(report.request.selectors),
        "at": report.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verdict": str(report.verdict),
        "elapsed_ms": report.elapsed_ms,
        "queries": report.queries,
        "cached": report.cached,
        "notes": list(report.notes),
    }


def _finding_to_text(finding: Finding) -> str:
    check, subject, verdict, code, summary, remediation, facts, links = finding
    if not isinstance(facts, SharedFacts):
        return dumps(finding_to_json(finding))
    head = _finding_head(check, subject, verdict, code)
    text = f'{head}{quote(summary)}, "step": {quote(remediation)}, "facts": {facts.text}'
    return f'{text}, "links": {_links_to_text(links)}}}'


@lru_cache(maxsize=1024)
def _finding_head(check: str, subject: str, verdict: Verdict, code: str) -> str:
    head = dumps({"check": check, "about": subject, "verdict": str(verdict), "code": code})
    return f'{head.removesuffix("}")}, "says": '


@lru_cache(maxsize=256)
def _links_to_text(links: tuple[Link, ...]) -> str:
    return dumps(links_to_json(links))


def finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "about": finding.subject,
        "verdict": str(finding.verdict),
        "code": finding.code,
        "says": finding.summary,
        "step": finding.remediation,
        "facts": dict(finding.facts),
        "links": links_to_json(finding.links),
    }


def links_to_json(links: Iterable[Link]) -> list[dict[str, str]]:
    return [{"label": link.label, "url": link.url} for link in links]


def report_from_json(document: dict[str, Any]) -> Report:
    """The inverse of `report_to_json`, for cached reports."""
    target = document["target"]
    order = CheckRequest(
        Target(ip_address(target["ip"]) if target["ip"] else None, target["domain"], document.get("mailbox")),
        Role(document["as"]),
        document["helo"],
        tuple(document["selectors"]),
    )
    return Report(
        request=order,
        at=datetime.strptime(document["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        findings=tuple(finding_from_json(row) for row in document["findings"]),
        elapsed_ms=document["elapsed_ms"],
        queries=document["queries"],
        cached=document["cached"],
        notes=tuple(document["notes"]),
    )


def finding_from_json(row: dict[str, Any]) -> Finding:
    return Finding(
        check=row["check"],
        subject=row["about"],
        verdict=Verdict[row["verdict"].upper()],
        code=row["code"],
        summary=row["says"],
        remediation=row["step"],
        facts=row["facts"],
        links=tuple(Link(link["label"], link["url"]) for link in row["links"]),
    )
