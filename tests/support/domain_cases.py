"""Domain set-ups as zones with the commands to run, served on loopback and checked by the whole core.

What is right stands in the cases as prose, so it is printed beside the report, to be read by somebody.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bot.advice.explanation import explain
from bot.app import Core, open_core
from bot.checks.dmarc import discover
from bot.inputs.domain_names import BadDomain
from bot.inputs.targets import BadTarget
from bot.models import Finding, Report, Verdict
from bot.settings import HostPort, ProbeSmtp, Settings
from handlers.cli.dmarc import dmarc_verdict, parse_policy_domain
from handlers.commands.parser import read_check
from handlers.verbs import BadCommand
from tests.support.dns_replies import ReceivedQuery, Script
from tests.support.dns_server import DnsServer
from tests.support.dns_world import World

Case = Mapping[str, Any]
NO_TCP = {"trunc-noTCP": "truncated-refused"}  # faults that the server calls otherwise
MAX_UDP_BYTES = 1232  # longer answers are truncated, and complete over TCP
AUTHENTIC = 0x20  # the bit AD in the fourth octet of a reply (RFC 4035 §3.2.3)


class Wildcards(dict[str, Mapping[str, Any]]):
    """Names with their records, also those that a wildcard makes (RFC 4592), without its closest-encloser rule."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name) or super().get(self._wildcard(name), default)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or bool(self._wildcard(str(name)))

    def _wildcard(self, name: str) -> str:
        labels = name.split(".")
        candidates = (".".join(["*", *labels[start:]]) for start in range(1, len(labels)))
        return next((candidate for candidate in candidates if super(Wildcards, self).__contains__(candidate)), "")


class PartlySigned(Script):
    """Replies as behind a validating resolver: those about signed zones are authentic."""

    signed: tuple[str, ...] = ()

    def _reply(self, query: ReceivedQuery, fault: str) -> bytes:
        reply = super()._reply(query, fault)
        authentic = any(f".{query.name}".endswith(f".{zone}") for zone in self.signed)
        return reply[:3] + bytes((reply[3] | AUTHENTIC,)) + reply[4:] if authentic else reply


def script(case: Case) -> PartlySigned:
    """The replies to queries about a case; a fault of one type is written `name@TYPE`."""
    zone = {name: _by_type(records) for name, records in case["zone"].items()}
    faults: dict[str, str] = {}
    for place, fault in (case["faults"] or {}).items():
        name, _, rdtype = place.partition("@")
        if rdtype:
            zone.setdefault(name, {})[rdtype] = NO_TCP.get(fault, fault)
        else:
            faults[name] = NO_TCP.get(fault, fault)
    for name, records in zone.items():
        if sum(map(len, records.get("TXT", ()))) > MAX_UDP_BYTES:
            faults.setdefault(name, "truncated")
    world = World(zone)
    world.zone = Wildcards(world.zone)
    replies = PartlySigned(world, faults)
    replies.signed = tuple(case["signed"] or ())
    return replies


def _by_type(records: Sequence[Sequence[Any]]) -> dict[str, Any]:
    by_type: dict[str, Any] = {}
    for rdtype, data in records:
        by_type.setdefault(rdtype, []).append(data if isinstance(data, str) else "".join(data))
    return by_type


@asynccontextmanager
async def core_of(case: Case) -> AsyncIterator[Core]:
    """A core without a store whose only resolver serves the case."""
    server = DnsServer(script(case))
    await server.start("127.0.0.1")
    settings = Settings(nameservers=(HostPort(server.host, server.port),), probe_smtp=ProbeSmtp.OFF)
    try:
        async with open_core(settings, needs_store=False, uses_store=False) as core:
            yield core
    finally:
        await server.stop()


async def read_case(case: Case) -> str:
    """Every run of a case as text."""
    async with core_of(case) as core:
        return "\n".join([await _read_run(core, run) for run in case["runs"]])


async def _read_run(core: Core, run: str) -> str:
    verb, _, words = run.partition(" ")
    try:
        read = await (_read_dmarc(core, words) if verb == "dmarc" else _read_check(core, words))
    except (BadCommand, BadDomain, BadTarget) as refusal:
        read = f"refused: {refusal}"
    return f"$ {run}\n{read}"


async def _read_dmarc(core: Core, words: str) -> str:
    discovery = await discover(parse_policy_domain(words), core.resolver)
    return f"{dmarc_verdict(discovery).name} {json.dumps(discovery.to_json(), ensure_ascii=False)}"


async def _read_check(core: Core, words: str) -> str:
    command = read_check(words)
    requests = [part for request in command.requests for part in await core.check_runner.expand(request)]
    reports = [await core.check_runner.run(request) for request in requests]
    return "\n".join(describe(report, explained=command.explained) for report in reports)


def describe(report: Report, *, explained: bool = False) -> str:
    """Verdict and findings except those of blocklists, the steps, and the changes as data."""
    verdict = max((finding.verdict for finding in report.findings), default=Verdict.UNKNOWN)
    lines = [f"{verdict.name} {report.request.target} ({report.queries} queries)"]
    for finding in report.findings:
        if finding.check != "blocklist":
            lines += _lines(finding)
    if explained and (explanation := explain(report)):
        lines.append(json.dumps(explanation.to_json(), ensure_ascii=False))
    return "\n".join(lines)


def _lines(finding: Finding) -> list[str]:
    lines = [f"  {finding.verdict.name:7} {finding.code} [{finding.subject}] {finding.summary}"]
    if finding.remediation:
        lines.append(f"          -> {finding.remediation}")
    if change := finding.facts.get("change"):
        lines.append(f"          change {json.dumps(change, ensure_ascii=False)}")
    return lines
