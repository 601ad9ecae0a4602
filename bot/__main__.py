"""The front door: the command `mailcheck`, and the only file that knows both wings."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bot import logs
from bot.assembly import MailWing, mail_wing
from bot.bounces.headers import read_headers
from bot.bounces.headers import to_json as path_to_json
from bot.bounces.logs import LogTooBig
from bot.bounces.replies import to_json as bounce_to_json
from bot.checks.blocklists import CatalogueError
from bot.checks.dmarc import discover
from bot.checks.spf import Evaluation, check_host, to_json
from bot.contract import finding_to_json
from bot.domains import BadName, read_domain
from bot.model import Order, Role, Target
from bot.settings import SettingsError, read_settings
from bot.store import StoreUnavailable
from bot.targets import BadTarget
from handlers.card import Card
from handlers.messages import TRUST, bounces_card, findings_card, lists_card, path_card
from handlers.platform import CannotServe, Part
from handlers.teams.package import SITE, BadPackage, app_package
from handlers.terminal.checking import orders_of, reports, show
from handlers.terminal.diagnosis import examine_host
from handlers.terminal.drawing import Drawing
from handlers.terminal.journal import Journal
from handlers.terminal.pasted import each_bounce, pasted_header, summed_up
from handlers.terminal.records import (
    VERDICTS,
    BadQuestion,
    SpfQuestion,
    dmarc_card,
    dmarc_verdict,
    in_order,
    read_spf_lines,
    read_spf_question,
    spf_card,
)
from handlers.terminal.sweep import Desk, count_lines, read_lines, sweep
from handlers.terminal.tally import Tally

BAD_INPUT = 2
ANYTHING = Target(domain="example.com")  # stands in the template of orders until a line of input names a target

# Each of these says in one sentence what a person has to change.
SENTENCES = (BadName, BadTarget, BadQuestion, LogTooBig, CatalogueError, StoreUnavailable, CannotServe, BadPackage)

app = typer.Typer(
    name="mailcheck",
    help="Is this address on a blocklist, is its reverse name right, and the domain's SPF, DMARC and MX?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
teams_app = typer.Typer(help="What Microsoft Teams needs.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(teams_app, name="teams")
errors = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output, one object per result.")]


@app.command()
def check(
    targets: Annotated[list[str] | None, typer.Argument(help="Addresses, a CIDR up to 16, domains, hosts.")] = None,
    file: Annotated[str | None, typer.Option(help="One target a line; - is standard input.")] = None,
    role: Annotated[Role, typer.Option("--as", help="mta sends mail itself, client submits it.")] = Role.MTA,
    helo: Annotated[str | None, typer.Option(help="The name that the server greets with.")] = None,
    selector: Annotated[list[str] | None, typer.Option(help="A DKIM selector; can be repeated.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask everything anew.")] = False,
    resume: Annotated[Path | None, typer.Option(help="With --file: notes how far the run is, to go on there.")] = None,
    as_json: Json = False,
) -> None:
    """Check addresses and domains: blocklists, reverse name, SPF, DMARC, MX."""
    template = Order(ANYTHING, role, read_domain(helo) if helo else None, tuple(selector or ()))
    if not targets and file is None:
        raise BadQuestion("Name a target, like `mailcheck check 203.0.113.5 example.com`, or give --file.")
    if resume and file is None:
        raise BadQuestion("--resume goes on with a --file; name one.")
    tally, typed, source = Tally(), orders_of(targets or [], template), file or ""

    async def work(wing: MailWing) -> None:
        await show(reports(wing.checkup, typed, no_cache), tally, sys.stdout, errors, as_json=as_json, total=len(typed))

    async def work_through(wing: MailWing) -> None:
        journal = Journal(resume, source)
        journal.recall(tally)
        with open_text(source) as lines:
            found = read_lines(lines, typed, template, journal, tally, errors)
            desk = Desk(sys.stdout, errors, as_json, count_lines(source) if errors.is_terminal else None)
            await desk.show(sweep(wing.for_sweep(fresh=no_cache), found, no_cache), journal, tally)

    if file is None:
        run(work)
    else:
        run(work_through, uses_store=False)
    raise typer.Exit(tally.exit_status)


@app.command("spf")
def spf_command(
    questions: Annotated[str | None, typer.Argument(help="- reads JSON lines from standard input.")] = None,
    ip: Annotated[str, typer.Option(help="The address that sends.")] = "",
    sender: Annotated[str, typer.Option(help="The envelope sender.")] = "",
    helo: Annotated[str, typer.Option(help="The name that the server greets with.")] = "",
    as_json: Json = False,
) -> None:
    """RFC 7208 check_host: may this address send for this domain?"""
    if questions not in (None, "-"):
        raise BadQuestion("Give --ip, --sender and --helo, or - to read JSON lines from standard input.")
    asked = read_spf_lines(sys.stdin) if questions else iter((read_spf_question(ip, sender, helo),))
    tally = Tally()

    async def work(wing: MailWing) -> None:
        async def ask(question: SpfQuestion) -> Evaluation:
            return await check_host(question.ip, question.sender, question.helo, wing.resolver)

        async for question, found in in_order(asked, ask):
            tally.verdicts.add(VERDICTS[found.result])
            say(to_json(found), spf_card(question, found), as_json or bool(questions))

    run(work)
    raise typer.Exit(tally.exit_status)


@app.command("dmarc")
def dmarc_command(domains: list[str], as_json: Json = False) -> None:
    """RFC 9989 policy discovery: which DMARC policy applies to a domain, and where it stands."""
    names = [read_domain(text) for text in domains]
    tally = Tally()

    async def work(wing: MailWing) -> None:
        async for _, found in in_order(names, partial(discover, lookup=wing.resolver)):
            tally.verdicts.add(dmarc_verdict(found))
            say(found.to_json(), dmarc_card(found), as_json)

    run(work)
    raise typer.Exit(tally.exit_status)


@app.command()
def bounce(
    file: Annotated[str, typer.Argument(help="A log, a bounce or SMTP replies; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """What a bounce means: whose fault it is, which list, which address, and the one next step."""
    if as_json:
        for found in each_bounce(file):
            print_json(bounce_to_json(found))
        return
    Console(highlight=False).print(Drawing(bounces_card(*summed_up(file))))


@app.command()
def headers(
    file: Annotated[str, typer.Argument(help="A message or its headers; - is standard input.")] = "-",
    as_json: Json = False,
) -> None:
    """The path of one message, the address that left its organisation, and its authentication results."""
    path = read_headers(pasted_header(file))
    say(path_to_json(path), path_card(path), as_json)


@app.command()
def lists(as_json: Json = False) -> None:
    """The health of every blocklist in the catalogue, seen through the resolver in use."""
    tally = Tally()

    async def work(wing: MailWing) -> None:
        rows = []
        async for item in wing.list_health():
            verdict = TRUST[item.standing]
            if item.reason != "no-key":
                tally.verdicts.add(verdict)
            rows.append((item.name, verdict, item.reason, item.ms))
            if as_json:
                said = {"id": item.id, "name": item.name, "health": str(item.standing), "reason": item.reason or None}
                print_json({**said, "ms": item.ms})
        if not as_json:
            Console(highlight=False).print(Drawing(lists_card(rows)))

    run(work)
    raise typer.Exit(tally.exit_status)


@app.command()
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
            Console(highlight=False).print(Drawing(findings_card("What this host can do", found)))

    run(work)
    raise typer.Exit(tally.exit_status)


@app.command("serve")
def serve_command(
    part: Annotated[Part, typer.Option("--role", help="all; or web and worker, each as often as needed.")] = Part.ALL,
) -> None:
    """The bot: in Slack and Teams where their credentials are set, else on a page of its own."""
    from handlers.service import serve  # Slack's SDK and the job engine cost a second that no other command needs

    run(partial(serve, part=part), needs_store=True)


@app.command("demo")
def demo_command() -> None:
    """The bot in a small invented world, to be seen on its page: nothing is asked of the internet."""
    from handlers.demo import demo

    asyncio.run(demo(read_settings().http))


@teams_app.command("package")
def teams_package(
    out: Annotated[Path, typer.Option(help="The zip file to write.")],
    site: Annotated[str, typer.Option(help="Your own page about the bot.")] = SITE,
) -> None:
    """The app package to upload in Teams, for the bot that TEAMS_CLIENT_ID names."""
    out.write_bytes(app_package(read_settings().teams_client_id or "", version("mailcheck"), site))


@contextmanager
def open_text(file: str | None) -> Iterator[Iterable[str]]:
    """The lines of a file, of standard input for `-`, and none where no file is named."""
    if file is None or file == "-":
        yield sys.stdin if file else ()
        return
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(Path(file).open(encoding="utf-8", errors="replace"))
        except OSError as why:
            raise BadQuestion(f"{file} cannot be read: {why.strerror}.") from None
        yield lines


def say(document: Mapping[str, Any], card: Card, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        Console(highlight=False).print(Drawing(card))


def print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False), flush=True)


def run(work: Callable[[MailWing], Awaitable[None]], needs_store: bool = False, uses_store: bool = True) -> None:
    async def inside() -> None:
        async with mail_wing(read_settings(), needs_store=needs_store, uses_store=uses_store) as wing:
            await work(wing)

    asyncio.run(inside())


def main() -> None:
    """Runs the command; whatever a person has to change is said in one line each, with exit status 2."""
    logs.configure()
    try:
        app()
    except SettingsError as wrong:
        complain(*wrong.problems)
    except SENTENCES as wrong:
        complain(str(wrong))


def complain(*sentences: str) -> None:
    for sentence in sentences:
        errors.print(sentence, markup=False, soft_wrap=True)
    sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
