"""`mailcheck doctor`: can this host do the job? The parts of this host are asked side by side, and what they showed is judged."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Annotated

import typer

from bot.app import MailWing, now
from bot.doctor import (
    PortTry,
    chat_finding,
    egress_finding,
    list_findings,
    port_finding,
    resolver_findings,
    store_finding,
)
from bot.inputs.domain_names import read_domain
from bot.models import Address, Finding
from bot.monitoring.repository import Register
from bot.net.smtp_probe import reaches
from bot.net.ssrf_guard import resolve_public
from bot.probe_results import VisitFailed
from bot.report_json import finding_to_json
from bot.settings import SlackMode
from bot.storage import StoreUnavailable
from handlers.cli.command import BadQuestion, Json, Tally, print_card, print_json, run
from handlers.messages import findings_card


def doctor(
    smtp_host: Annotated[str | None, typer.Option(help="A mail server to try outgoing port 25 with.")] = None,
    egress: Annotated[str | None, typer.Option(help="The address that your mail leaves from: is it watched?")] = None,
    as_json: Json = False,
) -> None:
    """Can this host do the job? Resolver, Spamhaus access, rebinding protection, port 25, Redis, chat credentials."""
    tally = Tally()
    host = read_domain(smtp_host) if smtp_host else None
    leaves_from = read_egress(egress) if egress else None

    async def work(wing: MailWing) -> None:
        found = await examine_host(wing, host)
        found += egress_finding(leaves_from, await _follows(wing, leaves_from)) if leaves_from else []
        tally.verdicts.update(finding.verdict for finding in found)
        for finding in found if as_json else ():
            print_json(finding_to_json(finding))
        if not as_json:
            print_card(findings_card("What this host can do", found))

    run(work)
    raise typer.Exit(tally.exit_status)


def read_egress(text: str) -> Address:
    try:
        return ip_address(text.strip())
    except ValueError:
        raise BadQuestion(f"--egress takes an address like 203.0.113.5, and {text[:60]} is none.") from None


async def examine_host(wing: MailWing, smtp_host: str | None) -> list[Finding]:
    async def lists() -> list[Finding]:
        return list_findings([item async for item in wing.list_health()], keyed="spamhaus" in wing.keys)

    servers = [server.host for server in wing.servers]
    resolver, known, tried = await asyncio.gather(
        resolver_findings(servers, wing.resolver.fresh()), lists(), _try_port(wing, smtp_host)
    )
    platforms = ["Slack"] if wing.settings.slack_mode is not SlackMode.NONE else []
    platforms += ["Teams"] if wing.settings.teams_client_id else []
    return [*resolver, *known, port_finding(tried), _store(wing), chat_finding(platforms)]


async def _try_port(wing: MailWing, host: str | None) -> PortTry:
    if host is None:
        return PortTry()
    try:
        first, *_ = await resolve_public(host, wing.resolver)
    except VisitFailed:
        return PortTry(host)
    return PortTry(host, first, await reaches(first))


async def _follows(wing: MailWing, ip: Address) -> bool | None:
    if wing.store is None:
        return None
    try:
        return await Register(wing.store.interactive, now).follows(ip)
    except StoreUnavailable:
        return None


def _store(wing: MailWing) -> Finding:
    place = "REDIS_URL" if wing.settings.redis_url else "embedded store"
    if wing.store is None:
        return store_finding(place, (), f"The {place} cannot be used; the log above says why.")
    return store_finding(place, wing.store.warnings)
