"""Entry point of the command `mailcheck`; its subcommands are in `handlers.cli`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from bot.bounces.mail_log import LogTooBig
from bot.inputs.domain_names import BadDomain
from bot.inputs.targets import BadTarget, parse_targets
from bot.inputs.toml_tables import DataFileError
from bot.settings import SettingsError
from bot.storage import StoreUnavailable
from handlers import logging_config
from handlers.cli.check import check
from handlers.cli.command import BadInput, error_console, run
from handlers.cli.dmarc import dmarc
from handlers.cli.doctor import doctor
from handlers.cli.export import export
from handlers.cli.lists import lists_app
from handlers.cli.pasted_text import bounce, headers
from handlers.cli.spf import spf
from handlers.ports import CannotServe, ServeRole
from handlers.settings import read_settings
from handlers.teams.app_package import SITE, BadPackage, app_package
from handlers.verbs import PRIVATE, BadCommand, is_plain_word, unknown_verb

BAD_INPUT = 2

# Errors whose text is one sentence that says what to change.
USER_ERRORS = (
    BadDomain,
    BadTarget,
    BadInput,
    LogTooBig,
    DataFileError,
    StoreUnavailable,
    CannotServe,
    BadPackage,
    BadCommand,
)

app = typer.Typer(
    name="mailcheck",
    help="Is this address on a blocklist, and are its PTR record and the domain's SPF, DMARC and MX valid?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
teams_app = typer.Typer(help="What Microsoft Teams needs.", no_args_is_help=True, rich_markup_mode=None)
for verb in (check, spf, dmarc, bounce, headers, doctor, export):
    app.command()(verb)
app.add_typer(lists_app, name="lists")
app.add_typer(teams_app, name="teams")


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"mailcheck {version('mailcheck')}")
        raise typer.Exit


@app.command("serve")
def serve_command(
    part: Annotated[
        ServeRole, typer.Option("--role", help="all; or web and worker, each as often as needed.")
    ] = ServeRole.ALL,
) -> None:
    """The bot: in Slack and Teams where their credentials are set, else on a page of its own."""
    from handlers.service import serve

    settings = read_settings()
    run(partial(serve, settings=settings, role=part), settings, needs_store=True)


@app.command("demo")
def demo_command() -> None:
    """The bot in a small invented world, to be seen on its page.

    Nothing is asked of the internet.
    """
    from handlers.service import run_demo_bot

    asyncio.run(run_demo_bot(read_settings().web))


@teams_app.command("package")
def teams_package(
    out: Annotated[Path, typer.Option(help="The zip file to write.")],
    site: Annotated[str, typer.Option(help="Your own page about the bot.")] = SITE,
) -> None:
    """The app package to upload in Teams, for the bot that TEAMS_CLIENT_ID names."""
    teams = read_settings().teams
    out.write_bytes(app_package((teams and teams.client_id) or "", version("mailcheck"), site))


@app.callback()
def mailcheck(
    _version: Annotated[
        bool, typer.Option("--version", "-V", callback=print_version, is_eager=True, help="The version, and exit.")
    ] = False,
) -> None: ...


def with_verb(arguments: Sequence[str]) -> list[str]:
    """Arguments of which the first is a command: targets alone are checked, and `help` is an option.

    Raises BadInput for a word that is no command.
    """
    named = [(each.name, each.callback) for each in app.registered_commands] + [("lists", None), ("teams", None)]
    verbs = sorted(name or getattr(function, "__name__", "") for name, function in named)
    if not arguments or arguments[0] in verbs or arguments[0].startswith("-"):
        return list(arguments)
    first, *rest = arguments
    if first == "help":
        return [*rest[:1], "--help"]
    if is_plain_word(first) and not is_target(first) and first.lower() != PRIVATE:
        raise BadInput(unknown_verb(first, bool(rest) and is_target(rest[0]), [*verbs, "help"]))
    return ["check", *arguments]


def is_target(word: str) -> bool:
    try:
        return bool(parse_targets(word))
    except BadTarget:
        return False


def main() -> None:
    """Run the command; bad usage or input prints one line per problem and exits with 2."""
    logging_config.configure()
    try:
        app(with_verb(sys.argv[1:]))
    except SettingsError as wrong:
        fail(*wrong.problems)
    except USER_ERRORS as wrong:
        fail(str(wrong))


def fail(*sentences: str) -> None:
    for sentence in sentences:
        error_console.print(sentence, markup=False, soft_wrap=True)
    sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
