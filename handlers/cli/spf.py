"""`mailcheck spf`: may this address send for this domain? One question or as many as there are lines; or a domain's tree."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Annotated, NoReturn

import typer

from bot.app import MailWing
from bot.checks.spf import Evaluation, Result, check, check_host, to_json
from bot.inputs.domain_names import read_domain
from bot.models import Address, Order, Target, Verdict
from bot.report_json import finding_to_json
from handlers.cli.command import BadQuestion, Json, Tally, in_order, print_card, print_json, run, say
from handlers.message import Card, Fact
from handlers.messages import TONES, findings_card
from handlers.messages.report import spf_sketch

VERDICTS = {
    Result.PASS: Verdict.PASS,
    Result.FAIL: Verdict.FAIL,
    Result.PERMERROR: Verdict.FAIL,
    Result.SOFTFAIL: Verdict.WARN,
    Result.NEUTRAL: Verdict.WARN,
    Result.NONE: Verdict.WARN,
    Result.TEMPERROR: Verdict.UNKNOWN,
    Result.UNKNOWN: Verdict.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class SpfQuestion:
    """What check_host is asked; an empty sender stands for postmaster at the HELO name."""

    ip: Address
    sender: str
    helo: str


def spf(
    questions: Annotated[
        str | None, typer.Argument(help="A domain, to see its records; - reads JSON lines from standard input.")
    ] = None,
    ip: Annotated[str, typer.Option(help="The address that sends.")] = "",
    sender: Annotated[str, typer.Option(help="The envelope sender.")] = "",
    helo: Annotated[str, typer.Option(help="The name that the server greets with.")] = "",
    as_json: Json = False,
) -> None:
    """RFC 7208 check_host: may this address send for this domain? With a domain alone: its records as a tree."""
    if questions not in (None, "-"):
        show_records(read_domain(str(questions)), as_json)
    asked = read_spf_lines(sys.stdin) if questions else iter((read_spf_question(ip, sender, helo),))
    tally = Tally()

    async def work(wing: MailWing) -> None:
        async def ask(question: SpfQuestion) -> Evaluation:
            return await check_host(question.ip, question.sender, question.helo, wing.resolver)

        async for question, found in in_order(asked, ask):
            tally.verdicts.add(VERDICTS[found.result])
            say(to_json(found), spf_card(question, found), as_json=as_json or bool(questions))

    run(work)
    raise typer.Exit(tally.exit_status)


def show_records(domain: str, as_json: bool) -> NoReturn:
    tally = Tally()

    async def work(wing: MailWing) -> None:
        found = await check(Order(Target(domain=domain)), wing.resolver)
        tally.verdicts.update(finding.verdict for finding in found)
        for finding in found if as_json else ():
            print_json(finding_to_json(finding))
        if not as_json:
            card = findings_card(f"SPF of {domain}", found)
            print_card(replace(card, sketch=spf_sketch(found, asked_for=True)))

    run(work)
    raise typer.Exit(tally.exit_status)


def read_spf_question(ip: str, sender: str, helo: str) -> SpfQuestion:
    try:
        address = ip_address(ip.strip())
    except ValueError:
        raise BadQuestion(f"{ip[:60]} is not an IP address; write one like 203.0.113.5.") from None
    if not (sender.strip() or helo.strip()):
        raise BadQuestion("SPF needs a sender or a HELO name; give --sender postmaster@example.com, --helo, or both.")
    return SpfQuestion(address, sender.strip(), helo.strip())


def read_spf_lines(lines: Iterable[str]) -> Iterator[SpfQuestion]:
    """JSON lines of `{"ip", "sender", "helo"}`; raises BadQuestion, which names the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield read_spf_question(str(row["ip"]), str(row.get("sender") or ""), str(row.get("helo") or ""))
        except BadQuestion as wrong:
            raise BadQuestion(f"line {number}: {wrong}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            form = '{"ip": "203.0.113.5", "sender": "a@example.com", "helo": "mail.example.com"}'
            raise BadQuestion(f"line {number} is not an object like {form}.") from None


def spf_card(question: SpfQuestion, found: Evaluation) -> Card:
    facts = [
        Fact("Matched", f"{found.mechanism} in the record of {found.matched_in}") if found.mechanism else None,
        Fact("Records read", " → ".join(found.path)) if found.path else None,
        Fact("Terms that need DNS", f"{found.lookups} of 10"),
        Fact("Lookups that found nothing", f"{found.voids} of 2"),
        Fact("The domain says", found.explanation) if found.explanation else None,
    ]
    return Card(
        f"SPF {found.result} for {question.ip} sending as {question.sender or question.helo}",
        TONES[VERDICTS[found.result]],
        step=found.problem,
        facts=tuple(fact for fact in facts if fact),
        footnote=f"{found.queries} questions asked",
    )
