"""`mailcheck doctor`: can this host do the job? The parts of this host are asked side by side, and what they showed is judged."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot.addresses import special
from bot.assembly import MailWing
from bot.contract import finding_to_json
from bot.doctor import PortTry, chat_finding, list_findings, port_finding, resolver_findings, store_finding
from bot.domains import read_domain
from bot.model import Finding, LookupFailed, Target
from bot.net.smtp import reaches
from bot.settings import SlackMode
from handlers.messages import findings_card
from handlers.terminal.command import Json, print_card, print_json, run
from handlers.terminal.tally import Tally


def doctor(
    smtp_host: Annotated[str | None, typer.Option(help="A mail server to try outgoing port 25 with.")] = None,
    as_json: Json = False,
) -> None:
    """Can this host do the job? Resolver, Spamhaus access, rebinding protection, port 25, Redis, chat credentials."""
    tally = Tally()
    host = read_domain(smtp_host) if smtp_host else None

    async def work(wing: MailWing) -> None:
        found = await examine_host(wing, host)
        tally.verdicts.update(finding.verdict for finding in found)
        for finding in found if as_json else ():
            print_json(finding_to_json(finding))
        if not as_json:
            print_card(findings_card("What this host can do", found))

    run(work)
    raise typer.Exit(tally.exit_status)


async def examine_host(wing: MailWing, smtp_host: str | None) -> list[Finding]:
    async def lists() -> list[Finding]:
        return list_findings([item async for item in wing.list_health()])

    servers = [server.host for server in wing.servers]
    resolver, known, tried = await asyncio.gather(
        resolver_findings(servers, wing.resolver.fresh()), lists(), _try_port(wing, smtp_host)
    )
    platforms = ["Slack"] if wing.settings.slack_mode is not SlackMode.NONE else []
    return [*resolver, *known, port_finding(tried), _store(wing), chat_finding(platforms)]


async def _try_port(wing: MailWing, host: str | None) -> PortTry:
    if host is None:
        return PortTry()
    try:
        answer = await wing.resolver(host, "A")
    except LookupFailed:
        return PortTry()
    addresses = [ip for text in answer.records if (ip := Target.of(text).ip) and not special(ip)]
    if not addresses:
        return PortTry()
    return PortTry(host, addresses[0], await reaches(addresses[0]))


def _store(wing: MailWing) -> Finding:
    place = "REDIS_URL" if wing.settings.redis_url else "embedded store"
    if wing.store is None:
        return store_finding(place, (), f"The {place} cannot be used; the log above says why.")
    return store_finding(place, wing.store.warnings)
