"""`mailcheck spf`: check_host (RFC 7208) for one query or JSON lines; or the tree of a domain."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Annotated, NoReturn

import typer

from bot.app import Core
from bot.checks.spf import PROBLEMS, ResultCode, SpfResult, check, check_host, to_json
from bot.inputs.domain_names import parse_domain, quoted
from bot.models import Address, CheckRequest, Target, Verdict
from bot.report_json import finding_to_json
from handlers.cli.command import BadInput, ExitStatus, Json, print_card, print_json, print_result, run, run_in_order
from handlers.message import Card, Fact
from handlers.messages import TONES, findings_card
from handlers.messages.report import spf_tree_block

VERDICTS = {
    ResultCode.PASS: Verdict.PASS,
    ResultCode.FAIL: Verdict.FAIL,
    ResultCode.PERMERROR: Verdict.FAIL,
    ResultCode.SOFTFAIL: Verdict.WARN,
    ResultCode.NEUTRAL: Verdict.WARN,
    ResultCode.NONE: Verdict.WARN,
    ResultCode.TEMPERROR: Verdict.UNKNOWN,
    ResultCode.UNKNOWN: Verdict.UNKNOWN,
}

NOTHING_ASKED = (
    "Name a domain, like `mailcheck spf example.com`; or an address and a sender, with --ip 203.0.113.5"
    " --sender postmaster@example.com."
)
NO_ADDRESS = "SPF needs the address that sends; give --ip 203.0.113.5, or a domain alone to see its records."


@dataclass(frozen=True, slots=True)
class SpfQuery:
    """Arguments of check_host; an empty sender means postmaster at the HELO name."""

    ip: Address
    sender: str
    helo: str


def spf(
    questions: Annotated[
        str | None, typer.Argument(help="A domain, to see its records; - reads JSON lines from standard input.")
    ] = None,
    ip: Annotated[str, typer.Option(help="The address that sends.")] = "",
    sender: Annotated[str, typer.Option(help="The envelope sender.")] = "",
    helo: Annotated[str, typer.Option(help="The HELO name of the server.")] = "",
    as_json: Json = False,
) -> None:
    """RFC 7208 check_host: may this address send for this domain?
    With a domain alone: its records as a tree.
    """
    if questions not in (None, "-"):
        print_records(parse_domain(str(questions)), as_json)
    if questions is None and not (ip or sender or helo):
        raise BadInput(NOTHING_ASKED)
    queries = read_queries(sys.stdin) if questions else iter((read_query(ip, sender, helo),))
    status = ExitStatus()

    async def work(core: Core) -> None:
        async def evaluate(query: SpfQuery) -> SpfResult:
            return await check_host(query.ip, query.sender, query.helo, core.resolver)

        async for query, result in run_in_order(queries, evaluate):
            status.verdicts.add(VERDICTS[result.code])
            card = spf_card(query, result)
            print_result(to_json(result), card, as_json=as_json or bool(questions))

    run(work)
    raise typer.Exit(status.code)


def print_records(domain: str, as_json: bool) -> NoReturn:
    status = ExitStatus()

    async def work(core: Core) -> None:
        findings = await check(CheckRequest(Target(domain=domain)), core.resolver)
        status.verdicts.update(finding.verdict for finding in findings)
        for finding in findings if as_json else ():
            print_json(finding_to_json(finding))
        if not as_json:
            card = findings_card(f"SPF of {domain}", findings)
            print_card(replace(card, text_block=spf_tree_block(findings, requested=True)))

    run(work)
    raise typer.Exit(status.code)


def read_query(ip: str, sender: str, helo: str) -> SpfQuery:
    """Raises BadInput."""
    try:
        address = ip_address(ip.strip())
    except ValueError:
        raise BadInput(
            f"{quoted(ip)} is not an IP address; write one like 203.0.113.5." if ip else NO_ADDRESS
        ) from None
    if not (sender.strip() or helo.strip()):
        raise BadInput("SPF needs a sender or a HELO name; give --sender postmaster@example.com, --helo, or both.")
    return SpfQuery(address, sender.strip(), helo.strip())


def read_queries(lines: Iterable[str]) -> Iterator[SpfQuery]:
    """JSON lines of `{"ip", "sender", "helo"}`. Raises BadInput that names the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            sender, helo = str(row.get("sender") or ""), str(row.get("helo") or "")
            yield read_query(str(row["ip"]), sender, helo)
        except BadInput as error:
            raise BadInput(f"line {number}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            form = '{"ip": "203.0.113.5", "sender": "a@example.com", "helo": "mail.example.com"}'
            raise BadInput(f"line {number} is not an object like {form}.") from None


def spf_card(query: SpfQuery, result: SpfResult) -> Card:
    matched = f"{result.mechanism} in the record of {result.matched_in}"
    facts = [
        Fact("Matched", matched) if result.mechanism else None,
        Fact("Records read", " → ".join(result.path)) if result.path else None,
        Fact("DNS lookups", f"{result.lookups} of 10"),
        Fact("Void lookups", f"{result.void_lookups} of 2"),
        Fact("The domain says", result.explanation) if result.explanation else None,
    ]
    return Card(
        f"SPF {result.code} for {query.ip} sending as {query.sender or query.helo}",
        TONES[VERDICTS[result.code]],
        step=result.problem.phrase(PROBLEMS) if result.problem else "",
        facts=tuple(fact for fact in facts if fact),
        footnote=f"{result.queries} queries sent",
    )
