"""The JSON that outside programs read: one object a report. A change here is a breaking change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from bot.models import Finding, Link, Order, Report, Role, SharedFacts, Target, Verdict

dumps = json.JSONEncoder(ensure_ascii=False).encode
quote = json.encoder.encode_basestring


def report_to_json(report: Report) -> dict[str, Any]:
    return {**_frame(report), "findings": [finding_to_json(finding) for finding in report.findings]}


def report_to_line(report: Report) -> str:
    """`report_to_json` as one line of text; what many findings share is not written anew for each."""
    frame = dumps(_frame(report)).removesuffix("}")
    return f'{frame}, "findings": [{", ".join([_finding_to_text(finding) for finding in report.findings])}]}}'


def _frame(report: Report) -> dict[str, Any]:
    target = report.order.target
    return {
        "target": {"ip": str(target.ip) if target.ip else None, "domain": target.domain},
        "as": str(report.order.role),
        "helo": report.order.helo,
        "selectors": list(report.order.selectors),
        "at": report.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verdict": str(report.verdict),
        "elapsed_ms": report.elapsed_ms,
        "queries": report.queries,
        "cached": report.cached,
        "notes": list(report.notes),
    }


def _finding_to_text(finding: Finding) -> str:
    check, about, verdict, code, says, step, facts, links = finding
    if not isinstance(facts, SharedFacts):
        return dumps(finding_to_json(finding))
    before = _before_says(check, about, verdict, code)
    return f'{before}{quote(says)}, "step": {quote(step)}, "facts": {facts.text}, "links": {_links_to_text(links)}}}'


@lru_cache(maxsize=1024)
def _before_says(check: str, about: str, verdict: Verdict, code: str) -> str:
    head = dumps({"check": check, "about": about, "verdict": str(verdict), "code": code})
    return f'{head.removesuffix("}")}, "says": '


@lru_cache(maxsize=256)
def _links_to_text(links: tuple[Link, ...]) -> str:
    return dumps(links_to_json(links))


def finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "about": finding.about,
        "verdict": str(finding.verdict),
        "code": finding.code,
        "says": finding.says,
        "step": finding.step,
        "facts": dict(finding.facts),
        "links": links_to_json(finding.links),
    }


def links_to_json(links: Iterable[Link]) -> list[dict[str, str]]:
    return [{"label": link.label, "url": link.url} for link in links]


def report_from_json(document: dict[str, Any]) -> Report:
    """The inverse of `report_to_json`, for a report that was kept in the cache."""
    target = document["target"]
    order = Order(
        Target(ip_address(target["ip"]) if target["ip"] else None, target["domain"]),
        Role(document["as"]),
        document["helo"],
        tuple(document["selectors"]),
    )
    return Report(
        order=order,
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
        about=row["about"],
        verdict=Verdict[row["verdict"].upper()],
        code=row["code"],
        says=row["says"],
        step=row["step"],
        facts=row["facts"],
        links=tuple(Link(link["label"], link["url"]) for link in row["links"]),
    )
