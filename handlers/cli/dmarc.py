"""`mailcheck dmarc`: which DMARC policy applies to a domain, and where it stands."""

from __future__ import annotations

from functools import partial

import typer

from bot.app import MailWing
from bot.checks.dmarc import Discovery, discover
from bot.inputs.domain_names import read_domain
from bot.models import Verdict
from handlers.cli.command import Json, Tally, in_order, run, say
from handlers.message import Card, Fact, Tone
from handlers.messages import TONES


def dmarc(domains: list[str], as_json: Json = False) -> None:
    """RFC 9989 policy discovery: which DMARC policy applies to a domain, and where it stands."""
    names = [read_domain(text) for text in domains]
    tally = Tally()

    async def work(wing: MailWing) -> None:
        async for _, found in in_order(names, partial(discover, lookup=wing.resolver)):
            tally.verdicts.add(dmarc_verdict(found))
            say(found.to_json(), dmarc_card(found), as_json=as_json)

    run(work)
    raise typer.Exit(tally.exit_status)


def dmarc_verdict(found: Discovery) -> Verdict:
    if found.unanswered:
        return Verdict.UNKNOWN
    return Verdict.PASS if found.policy else Verdict.WARN


def dmarc_card(found: Discovery) -> Card:
    if found.unanswered:
        return Card(f"DMARC of {found.domain} is not known: DNS did not answer ({found.unanswered})", Tone.UNSURE)
    document = found.to_json()
    says = f"the policy is {found.policy}" if found.policy else "no policy applies"
    took = f", in effect {found.effective}" if found.effective != found.policy else ""
    facts = [
        Fact("Record", str(document["record"])) if document["record"] else None,
        Fact("Found at", str(document["record_at"])) if document["record_at"] else None,
        Fact("Organisational domain", found.org_domain),
    ]
    return Card(
        f"DMARC of {found.domain}: {says}{took}",
        TONES[dmarc_verdict(found)],
        facts=tuple(fact for fact in facts if fact),
        footnote=f"{len(document['queries'])} names asked",
    )
