"""`mailcheck doctor`: probes the parts of this host side by side and prints the findings."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Annotated

import typer

from bot.app import Core
from bot.doctor import (
    EMBEDDED_STORE,
    PortProbe,
    chat_finding,
    egress_finding,
    list_findings,
    port_finding,
    resolver_findings,
    source_findings,
    store_finding,
)
from bot.inputs.domain_names import parse_domain
from bot.models import Address, Finding
from bot.monitoring.repository import RedisRepository
from bot.net.smtp_probe import can_connect
from bot.net.ssrf_guard import resolve_public
from bot.probe_results import ProbeFailed
from bot.report_json import finding_to_json
from bot.storage import StoreUnavailable
from handlers.cli.command import BadInput, ExitStatus, Json, print_card, print_json, run
from handlers.messages import findings_card
from handlers.settings import read_settings


def doctor(
    smtp_host: Annotated[str | None, typer.Option(help="A mail server to try outgoing port 25 with.")] = None,
    egress: Annotated[str | None, typer.Option(help="The address that your mail leaves from: is it watched?")] = None,
    as_json: Json = False,
) -> None:
    """Can this host do the job? Resolver, Spamhaus access, rebinding protection, port 25,
    Redis, chat credentials.
    """
    status = ExitStatus()
    host = parse_domain(smtp_host) if smtp_host else None
    egress_ip = read_egress(egress) if egress else None
    settings = read_settings()

    async def work(core: Core) -> None:
        findings = [*await host_findings(core, host), chat_finding(settings.platforms)]
        if egress_ip:
            findings += egress_finding(egress_ip, await _is_watched(core, egress_ip))
        status.verdicts.update(finding.verdict for finding in findings)
        for finding in findings if as_json else ():
            print_json(finding_to_json(finding))
        if not as_json:
            print_card(findings_card("What this host can do", findings))

    run(work, settings)
    raise typer.Exit(status.code)


def read_egress(text: str) -> Address:
    try:
        return ip_address(text.strip())
    except ValueError:
        raise BadInput(f"--egress takes an address like 203.0.113.5, and {text[:60]} is none.") from None


async def host_findings(core: Core, smtp_host: str | None) -> list[Finding]:
    async def lists() -> list[Finding]:
        items = [item async for item in core.list_status()]
        return list_findings(items, has_key="spamhaus" in core.keys)

    servers = [server.host for server in core.nameservers]
    resolver, blocklists, port = await asyncio.gather(
        resolver_findings(servers, core.resolver.fresh()), lists(), _probe_port(core, smtp_host)
    )
    sources = source_findings(core.catalog.outdated(core.clock().date()))
    return [*resolver, *blocklists, *sources, port_finding(port), _store(core)]


async def _probe_port(core: Core, host: str | None) -> PortProbe:
    if host is None:
        return PortProbe()
    try:
        first, *_ = await resolve_public(host, core.resolver)
    except ProbeFailed:
        return PortProbe(host)
    return PortProbe(host, first, await can_connect(first))


async def _is_watched(core: Core, ip: Address) -> bool | None:
    """None if the store is not available."""
    if core.store is None:
        return None
    try:
        return await RedisRepository(core.store.interactive, core.clock).is_watched(ip)
    except StoreUnavailable:
        return None


def _store(core: Core) -> Finding:
    location = "REDIS_URL" if core.settings.redis_url else EMBEDDED_STORE
    return store_finding(location, core.store.warnings if core.store else (), available=core.store is not None)
