from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from bot.check_runner import CheckRunner
from bot.checks.registry import CheckSpec
from bot.inputs.targets import BadTarget
from bot.models import CheckRequest, Finding, Lookup, Role, Target, Verdict
from handlers.commands import VERBS, BadCommand, CommandRouter, read_check
from handlers.message import Card
from handlers.messages import internal_error_card
from handlers.ports import Channel, ChatRequest
from tests.support.dns_world import World
from tests.support.parsing import pasted_text_commands

ROOM = Channel("slack", "T0", "C0")


async def good(request: CheckRequest, _lookup: Lookup, /) -> Sequence[Finding]:
    return [Finding("mx", str(request.target), Verdict.PASS, "mx.ok", "It is right.")]


def commands(refusal: str = "") -> CommandRouter:
    async def allowed(_request: ChatRequest) -> str:
        return refusal

    async def health() -> Card:
        return Card("the lists")

    world = World({"mail.example.com": {"A": ["192.0.2.1", "192.0.2.2"]}})
    checkup = CheckRunner(
        (CheckSpec("mx", "MX", 1, good),), world, world, lambda: datetime.now(UTC), allow_special=True
    )
    return CommandRouter(VERBS, checkup, health, allowed, pasted_text=pasted_text_commands())


def chat_request(text: str) -> ChatRequest:
    return ChatRequest(ROOM, "U0", VERBS.parse(text))


async def answer(router: CommandRouter, text: str) -> Card:
    """The card that ends a command: the acknowledgement if it is the whole answer."""
    ack = router.acknowledge(chat_request(text))
    return await router.handle(chat_request(text)) if ack.needs_work else ack.card


@pytest.mark.parametrize(
    ("text", "requests", "fresh"),
    [
        ("192.0.2.1 example.com", [CheckRequest(Target.of("192.0.2.1", "example.com"))], False),
        ("192.0.2.1 as client fresh", [CheckRequest(Target.of("192.0.2.1"), Role.CLIENT)], True),
        ("192.0.2.1 HELO Mail.Example.COM", [CheckRequest(Target.of("192.0.2.1"), helo="mail.example.com")], False),
        (
            "example.com selector s1 selector s2",
            [CheckRequest(Target(domain="example.com"), selectors=("s1", "s2"))],
            False,
        ),
    ],
)
def test_check_options_after_target_are_parsed(text: str, requests: list[CheckRequest], fresh: bool) -> None:
    command = read_check(text)
    assert (list(command.requests), command.fresh) == (requests, fresh)


@pytest.mark.parametrize(
    "check_request", [CheckRequest(Target.of("192.0.2.1", "example.com"), Role.CLIENT, "m.example.com", ("s1",))]
)
def test_text_of_check_request_parses_to_the_same_request(check_request: CheckRequest) -> None:
    assert read_check(str(check_request)).requests == (check_request,)


@pytest.mark.parametrize("text", ["192.0.2.1 as", "192.0.2.1 as king", "helo", "1.2.3", "as mta"])
def test_invalid_check_is_refused_in_the_acknowledgement(text: str) -> None:
    with pytest.raises((BadCommand, BadTarget)):
        read_check(text)
    ack = commands().acknowledge(chat_request(f"check {text}"))
    assert not ack.needs_work
    assert ack.card.private
    assert "\n" not in ack.card.title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("192.0.2.1 example.com", "192.0.2.1 · example.com: no problems found"),
        ("192.0.2.0/30", "4 targets: no problems found"),
        ("mail.example.com", "2 targets: no problems found"),
        ("lists", "the lists"),
        ("help", "What mailcheck can do"),
        ("history 192.0.2.1", "Nothing can be watched here: this bot keeps no watches."),
    ],
)
async def test_each_verb_returns_its_card(text: str, title: str) -> None:
    assert (await answer(commands(), text)).title == title


async def test_rate_limited_user_gets_the_wait_time_but_still_help() -> None:
    router = commands(refusal="Please ask again in 12 s.")
    card = await answer(router, "192.0.2.1")
    assert (card.title, card.private) == ("Please ask again in 12 s.", True)
    assert (await answer(router, "help")).title == "What mailcheck can do"


async def test_failed_command_answers_with_an_error_card_and_logs_details() -> None:
    async def failing() -> Card:
        raise RuntimeError("a secret detail of ours")

    with capture_logs() as logs:
        card = await replace(commands(), list_status=failing).handle(chat_request("lists"))
    assert (card, [line["event"] for line in logs]) == (internal_error_card(), ["command failed"])


@pytest.mark.parametrize(
    ("text", "last"),
    [("192.0.2.0/30", "4 of 4 addresses checked"), ("mail.example.com", "2 of 2 addresses checked"), ("192.0.2.1", "")],
)
async def test_check_of_several_targets_reports_progress(text: str, last: str) -> None:
    updates: list[str] = []
    await commands().handle(chat_request(text), updates.append)
    assert (updates[-1] if updates else "") == last
    assert [update.partition(" ")[0] for update in updates] == [str(number) for number in range(1, len(updates) + 1)]


async def test_check_is_charged_to_the_workspace_of_its_channel() -> None:
    charged: list[str] = []

    async def record(request: CheckRequest, lookup: Lookup, /) -> Sequence[Finding]:
        charged.append(request.charged_to)
        return await good(request, lookup)

    router = commands()
    runner = replace(router.check_runner, checks=(CheckSpec("mx", "MX", 1, record),))
    await answer(replace(router, check_runner=runner), "192.0.2.1 192.0.2.2")
    assert charged == ["slack/T0", "slack/T0"]
