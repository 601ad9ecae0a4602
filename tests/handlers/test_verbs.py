"""The parser of chat texts, and commands as they travel in the queue."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import CheckRequest, Role, Target
from handlers.commands import VERBS, CheckCommand
from handlers.commands.watch_parser import HistoryOptions, MuteOptions, WatchName
from handlers.verbs import Command, Refusal

CHECK = CheckCommand((CheckRequest(Target.of("192.0.2.1", "example.com")),))
RANGE = WatchName("192.0.2.7/28", "192.0.2.0/28")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command("help")),
        ("  ", Command("help")),
        ("HELP me", Command("help")),
        ("?", Command("help")),
        ("192.0.2.1 example.com", Command("check", CHECK)),
        ("check 192.0.2.1 example.com", Command("check", CHECK)),
        ("lists", Command("lists")),
        ("Watches", Command("watches")),
        ("mute 192.0.2.7/28 24h", Command("mute", MuteOptions(RANGE, timedelta(hours=24)))),
        ("history 192.0.2.7/28 all", Command("history", HistoryOptions(RANGE, None))),
        ("unwatch HQ egress", Command("unwatch", WatchName("HQ egress", "HQ egress"))),
        ("settings Updates  thread", Command("settings", "updates thread")),
        ("bounce 550-one\n550 two", Command("bounce", "550-one\n550 two")),
    ],
)
def test_text_is_parsed_into_one_typed_command(text: str, command: Command) -> None:
    assert VERBS.parse(text) == command


@pytest.mark.parametrize("name", ["/mailcheck", "mailcheck", "/MailCheck", " /mailcheck "])
@pytest.mark.parametrize(
    "text", ["192.0.2.1 example.com", "private example.com", "lists", "watch 192.0.2.1", "chek", ""]
)
def test_name_of_the_command_before_the_verb_is_dropped_once(name: str, text: str) -> None:
    assert VERBS.parse(f"{name} {text}") == VERBS.parse(text)
    assert VERBS.parse(f"{name} {name} lists") != VERBS.parse("lists")


@pytest.mark.parametrize("dashes", ["-", "--", "\u2013", "\u2014"])
@pytest.mark.parametrize(
    ("dashed", "plain"),
    [
        ("{}help", "help"),
        ("{}private example.com", "private example.com"),
        ("example.com {}private", "example.com private"),
        ("example.com {}tree", "example.com tree"),
        ("192.0.2.1 {}as client", "192.0.2.1 as client"),
        ("192.0.2.1 {}as=client", "192.0.2.1 as client"),
        ("watch 192.0.2.1 {}every 2h", "watch 192.0.2.1 every 2h"),
    ],
)
def test_options_may_have_dashes_as_in_a_shell(dashes: str, dashed: str, plain: str) -> None:
    assert VERBS.parse(dashed.format(dashes)) == VERBS.parse(plain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chek 192.0.2.25", "Did you mean `check`?"),
        ("CHEK 192.0.2.25", "Did you mean `check`?"),
        ("watchs", "Did you mean `watches`?"),
        ("hlep", "Did you mean `help`?"),
        ("--hlep", "Did you mean `help`?"),
        ("unwach 192.0.2.25", "Did you mean `unwatch`?"),
        ("bounc 550 5.7.1 no", "Did you mean `bounce`?"),
        ("spf example.com", "“spf” is not a command: type the address or the domain alone"),
        ("nonsense", "“nonsense” is not an address or a domain, and not a command"),
        ("please look at this", "type `help` to see what there is"),
        ("550 5.7.1 no", "“550” is not a full IPv4 address"),
        ("check chek", "“chek” is not an address or a domain; type something like"),
        ("example.com chek", "“chek” is not an address or a domain; type something like"),
        ("192.0.2.1 --verbose", "“--verbose” is not an option here"),
        ("watch", "Tell me what to watch"),
        ("watch every 1h", "Tell me what to watch"),
        ("settings digest", "`settings digest` takes `weekly` or `off`."),
        ("settings updates loud", "`settings updates` takes `thread`, `thread+broadcast` or `edit-only`."),
        ("settings colour", "`settings digest weekly`"),
        ("192.0.2.25 tree", "`tree` shows one domain"),
        ("192.0.2.25 explain", "`explain` shows one domain"),
        ("example.com example.org tree", "`tree` shows one domain"),
    ],
)
def test_refusal_names_what_to_type_instead(text: str, expected: str) -> None:
    refusal = VERBS.parse(text).arguments
    assert isinstance(refusal, Refusal)
    assert expected in refusal.sentence


@pytest.mark.parametrize("verb", [row.name for row in VERBS.rows if len(row.name) > 3])
def test_mistyped_verb_is_suggested(verb: str) -> None:
    for at in range(1, len(verb) - 1):
        mistyped = verb[:at] + verb[at + 1] + verb[at] + verb[at + 2 :]
        refusal = VERBS.parse(mistyped).arguments
        assert mistyped == verb or f"`{verb}`" in refusal.sentence, mistyped


@pytest.mark.parametrize(
    ("text", "without", "private"),
    [
        ("private example.com", "example.com", True),
        ("example.com PRIVATE", "example.com", True),
        ("private watches", "watches", True),
        ("example.com", "example.com", False),
        ("private", "", True),
        ("privateer.example example.com", "privateer.example example.com", False),
        ("notprivate", "notprivate", False),
        ("watch example.com name private mail", "watch example.com name private mail", False),
    ],
)
def test_private_at_either_end_is_an_option(text: str, without: str, private: bool) -> None:
    command, expected = VERBS.parse(text), VERBS.parse(without)
    assert (command.verb, command.arguments, command.private) == (expected.verb, expected.arguments, private)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command("bounce", "")),
        ("what does this say?", Command("bounce", "")),
        ("check this please", Command("bounce", "")),
        ("private have a look", Command("bounce", "", private=True)),
        ("bounce 550 5.7.1 no", Command("bounce", "550 5.7.1 no")),
        ("headers", Command("headers", "")),
        ("192.0.2.1 example.com", Command("check", CHECK)),
        ("help", Command("help")),
    ],
)
def test_file_without_a_command_is_a_log_for_bounce(text: str, command: Command) -> None:
    assert VERBS.parse(text, has_files=True) == command


@pytest.mark.parametrize(("text", "is_empty"), [("watch", True), ("mute", True), ("nonsense", False), ("ack", True)])
def test_unreadable_arguments_are_a_refusal_of_one_sentence(text: str, is_empty: bool) -> None:
    refusal = VERBS.parse(text).arguments
    assert isinstance(refusal, Refusal)
    assert (refusal.is_empty, refusal.sentence[-1], "\n" in refusal.sentence) == (is_empty, ".", False)


EXAMPLES = (
    *(text for text, _ in VERBS.usages),
    'watch 192.0.2.0/28 2001:db8::/124 example.com every 90m as client name "HQ egress"',
    "192.0.2.1 example.com fresh tree private",
    "192.0.2.1 2001:db8::1 as client helo mail.example.com selector s1 selector s2 fresh private",
    "unmute HQ egress",
    "ack 0123456789",
    "watch example.com only blocklists",
    "unwatch 192.0.2.7/28",
    "mute example.com",
    "history example.com all",
    "settings lists here",
    "bounce 550 \ud800 ünknown\x00",
)


def test_job_examples_contain_every_verb() -> None:
    assert {VERBS.parse(text).verb for text in EXAMPLES} == {row.name for row in VERBS.rows}


@pytest.mark.parametrize("text", EXAMPLES)
def test_command_survives_the_queue(text: str) -> None:
    command = VERBS.parse(text)
    job = json.loads(json.dumps(VERBS.to_job(command)))
    assert VERBS.from_job(job) == command
    assert not isinstance(command.arguments, Refusal)


@given(st.text(max_size=200) | st.text("0123456789.:/ abcdefgh", max_size=60))
def test_any_accepted_text_survives_the_queue(text: str) -> None:
    command = VERBS.parse(text)
    if not isinstance(command.arguments, Refusal):
        assert VERBS.from_job(VERBS.to_job(command)) == command


@pytest.mark.parametrize("private", [True, False])
def test_job_of_the_version_before_is_parsed_from_its_text(private: bool) -> None:
    job = {"text": "192.0.2.1 example.com", "private": str(private)}
    assert VERBS.from_job(job) == Command("check", CHECK, private)


@pytest.mark.parametrize(
    "command",
    [
        '{"verb": "nonsense", "arguments": null, "private": false}',
        '{"verb": "check", "arguments": {"requests": [{"target": {"ip": "300.1.2.3"}}]}, "private": false}',
        '{"verb": "mute", "arguments": "0123456789 1h", "private": false}',
        "{}",
        "",
    ],
)
def test_malformed_command_in_a_job_is_an_error(command: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        VERBS.from_job({"command": command})


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("watch 192.0.2.1", True),
        ("unwatch 192.0.2.1", True),
        ("mute 192.0.2.1 1h", True),
        ("unmute 192.0.2.1", True),
        ("ack 192.0.2.1", True),
        ("settings lists off", True),
        ("settings", False),
        ("watches", False),
        ("history 192.0.2.1", False),
        ("192.0.2.1", False),
        ("bounce 550", False),
        ("watch nonsense", False),
    ],
)
def test_only_changing_commands_are_closed_to_external_users(text: str, changes: bool) -> None:
    assert VERBS.changes(VERBS.parse(text)) is changes


def test_role_of_check_is_parsed() -> None:
    assert VERBS.parse("192.0.2.1 as client").arguments.requests[0].role is Role.CLIENT
