"""`mailcheck dmarc`: DMARC policy discovery of domains (RFC 9989)."""

from __future__ import annotations

from functools import partial

import typer

from bot.app import Core
from bot.checks.dmarc import Discovery, discover
from bot.inputs.domain_names import display_domain, parse_dns_name
from bot.models import Verdict
from handlers.cli.command import ExitStatus, Json, print_result, run, run_in_order
from handlers.message import Card, Fact, Tone
from handlers.messages import TONES


def dmarc(domains: list[str], as_json: Json = False) -> None:
    """RFC 9989 policy discovery: which DMARC policy applies to a domain, and where it stands."""
    names = [parse_policy_domain(text) for text in domains]
    status = ExitStatus()

    async def work(core: Core) -> None:
        lookup_policy = partial(discover, lookup=core.resolver)
        async for _, discovery in run_in_order(names, lookup_policy):
            status.verdicts.add(dmarc_verdict(discovery))
            print_result(discovery.to_json(), dmarc_card(discovery), as_json=as_json)

    run(work)
    raise typer.Exit(status.code)


def parse_policy_domain(text: str) -> str:
    """Parse a domain, a top-level domain or a mail address. Raises BadDomain."""
    return parse_dns_name(text.removeprefix("mailto:").rpartition("@")[2])


def dmarc_verdict(discovery: Discovery) -> Verdict:
    if discovery.unanswered:
        return Verdict.UNKNOWN
    return Verdict.PASS if discovery.policy else Verdict.WARN


def dmarc_card(discovery: Discovery) -> Card:
    domain = display_domain(discovery.domain)
    if discovery.unanswered:
        return Card(f"DMARC of {domain} is not known: DNS did not answer ({discovery.unanswered})", Tone.UNSURE)
    document = discovery.to_json()
    policy = f"the policy is {discovery.policy}" if discovery.policy else "no policy applies"
    differs = discovery.effective != discovery.policy
    effective = f", in effect {discovery.effective}" if differs else ""
    missing = "" if discovery.exists else "; this name does not exist in DNS"
    facts = [
        Fact("Record", str(document["record"])) if document["record"] else None,
        Fact("Found at", str(document["record_at"])) if document["record_at"] else None,
        Fact("Not accepted", discovery.near_miss.phrase(discovery.near_miss.where)) if discovery.near_miss else None,
        Fact("Organisational domain", discovery.org_domain),
    ]
    return Card(
        f"DMARC of {domain}: {policy}{effective}{missing}",
        TONES[dmarc_verdict(discovery)],
        facts=tuple(fact for fact in facts if fact),
        footnote=f"{len(document['queries'])} names queried",
    )
