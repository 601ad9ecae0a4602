"""The words of the command line: a target alone, the options of chats, and what is said of the others."""

from __future__ import annotations

import pytest

from bot.__main__ import main, with_verb
from bot.inputs.domain_names import BadDomain, parse_domain
from bot.models import CheckRequest, Role, Target
from handlers.cli.check import PLACEHOLDER, read_words
from handlers.cli.command import BadInput
from handlers.cli.spf import read_query
from handlers.commands.parser import read_check

TEMPLATE = CheckRequest(PLACEHOLDER)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("192.0.2.25", "check 192.0.2.25"),
        ("192.0.2.25 as client", "check 192.0.2.25 as client"),
        ("private example.com", "check private example.com"),
        ("example.com --json", "check example.com --json"),
        ("2001:db8::1", "check 2001:db8::1"),
        ("192.0.2.300", "check 192.0.2.300"),
        ("help", "--help"),
        ("help spf", "spf --help"),
        ("spf example.com", "spf example.com"),
        ("lists check x", "lists check x"),
        ("teams", "teams"),
        ("--version", "--version"),
        ("", ""),
    ],
)
def test_target_alone_is_checked(typed: str, expected: str) -> None:
    assert with_verb(typed.split()) == expected.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("chek 192.0.2.25", "Did you mean `check`?"),
        ("dmrac example.com", "Did you mean `dmarc`?"),
        ("hlep", "Did you mean `help`?"),
        ("dkim example.com", "“dkim” is not a command: type the address or the domain alone"),
        ("nonsense", "not a command; type `help`"),
    ],
)
def test_word_that_is_no_command_is_refused_with_the_nearest(typed: str, expected: str) -> None:
    with pytest.raises(BadInput) as refused:
        with_verb(typed.split())
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        "192.0.2.25 as client",
        "192.0.2.25 example.com tree",
        "192.0.2.25 fresh helo mail.example.com selector a selector b",
    ],
)
def test_terminal_takes_the_options_of_chats(words: str) -> None:
    assert read_words(words.split(), TEMPLATE) == read_check(words)
    assert read_words(["private", *words.split()], TEMPLATE) == read_words([*words.split(), "Private"], TEMPLATE)


def test_options_of_the_terminal_are_those_of_its_words_unless_typed() -> None:
    template = CheckRequest(PLACEHOLDER, Role.CLIENT, "mail.example.com", ("a",))
    [request] = read_words(["192.0.2.25"], template).requests
    assert request == CheckRequest(Target.of("192.0.2.25"), Role.CLIENT, "mail.example.com", ("a",))
    [request] = read_words(["192.0.2.25", "as", "mta", "helo", "other.example"], template).requests
    assert (request.role, request.helo) == (Role.MTA, "other.example")


@pytest.mark.parametrize("address", ["1.2.3.4", "2001:db8::1"])
def test_address_for_a_domain_is_named_as_one(address: str) -> None:
    with pytest.raises(BadDomain, match=f"“{address}” is an address; type a domain"):
        parse_domain(address)


def test_missing_address_of_spf_is_not_quoted() -> None:
    with pytest.raises(BadInput, match="SPF needs the address that sends"):
        read_query("", "ada@example.com", "")


def exit_status(arguments: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run the command line as a program does; returns its exit status."""
    monkeypatch.setattr("sys.argv", ["mailcheck", *arguments.split()])
    monkeypatch.setattr("bot.__main__.logging_config.configure", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("spf", "Name a domain, like `mailcheck spf example.com`"),
        ("dmarc 1.2.3.4", "“1.2.3.4” is an address; type a domain"),
        ("spf 1.2.3.4", "“1.2.3.4” is an address; type a domain"),
        ("check 192.0.2.25 as king", "`as king` is not known"),
        ("192.0.2.25 tree", "`tree` shows one domain"),
        ("chek", "Did you mean `check`?"),
    ],
)
def test_bad_usage_is_one_sentence(
    arguments: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = exit_status(arguments, monkeypatch)
    shown = " ".join(capsys.readouterr().err.split())
    assert (status, expected in shown) == (2, True), shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("arguments", "expected"), [("--version", "mailcheck "), ("help", "check"), ("help spf", "--sender")]
)
def test_version_and_help_are_printed(
    arguments: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = exit_status(arguments, monkeypatch)
    assert (status, expected in capsys.readouterr().out) == (0, True)
