from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from bot.check_runner import Checkup
from bot.inputs.targets import BadTarget
from bot.models import Finding, Lookup, Order, Role, Target, Verdict
from handlers.commands import BadCommand, Commands, read_check, split_verb
from handlers.message import Card
from handlers.ports import Ask, Room
from tests.support.dns_world import World

ROOM = Room("slack", "T0", "C0")


async def good(order: Order, _lookup: Lookup, /) -> Sequence[Finding]:
    return [Finding("mx", str(order.target), Verdict.PASS, "mx.ok", "It is right.")]


def commands(wait: str = "") -> Commands:
    async def allowed(_ask: Ask) -> str:
        return wait

    async def health() -> Card:
        return Card("the lists")

    world = World({"mail.example.com": {"A": ["192.0.2.1", "192.0.2.2"]}})
    checkup = Checkup((("mx", good),), frozenset(), world, world, lambda: datetime.now(UTC), special_allowed=True)
    return Commands(checkup, lambda _: 62, health, allowed)


def ask(text: str) -> Ask:
    return Ask(ROOM, "U0", text)


@pytest.mark.parametrize(
    ("text", "verb", "rest"),
    [
        ("", "help", ""),
        ("  ", "help", ""),
        ("HELP me", "help", ""),
        ("192.0.2.1 example.com", "check", "192.0.2.1 example.com"),
        ("check 192.0.2.1", "check", "192.0.2.1"),
        ("lists", "lists", ""),
        ("watch 192.0.2.1", "watch", "192.0.2.1"),
    ],
)
def test_a_bare_target_means_check_and_nothing_means_help(text: str, verb: str, rest: str) -> None:
    assert split_verb(text) == (verb, rest)


@pytest.mark.parametrize(
    ("text", "orders", "fresh"),
    [
        ("192.0.2.1 example.com", [Order(Target.of("192.0.2.1", "example.com"))], False),
        ("192.0.2.1 as client fresh", [Order(Target.of("192.0.2.1"), Role.CLIENT)], True),
        ("192.0.2.1 HELO Mail.Example.COM", [Order(Target.of("192.0.2.1"), helo="mail.example.com")], False),
        (
            "example.com selector s1 selector s2",
            [Order(Target(domain="example.com"), selectors=("s1", "s2"))],
            False,
        ),
    ],
)
def test_options_may_follow_the_target(text: str, orders: list[Order], fresh: bool) -> None:
    typed = read_check(text)
    assert (list(typed.orders), typed.fresh) == (orders, fresh)


@pytest.mark.parametrize("order", [Order(Target.of("192.0.2.1", "example.com"), Role.CLIENT, "m.example.com", ("s1",))])
def test_the_text_of_an_order_is_the_command_that_asks_for_it(order: Order) -> None:
    assert read_check(str(order)).orders == (order,)


@pytest.mark.parametrize("text", ["192.0.2.1 as", "192.0.2.1 as king", "helo", "1.2.3", "as mta"])
def test_what_cannot_be_done_is_one_sentence_said_at_once_and_nothing_is_run(text: str) -> None:
    with pytest.raises((BadCommand, BadTarget)):
        read_check(text)
    ack = commands().acknowledgement(ask(f"check {text}"))
    assert not ack.work
    assert ack.card.private
    assert "\n" not in ack.card.title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("192.0.2.1 example.com", "192.0.2.1 · example.com: all good"),
        ("192.0.2.0/30", "4 targets: all good"),
        ("mail.example.com", "2 targets: all good"),
        ("lists", "the lists"),
        ("help", "What mailcheck can do"),
        ("history 192.0.2.1", "Nothing can be watched here: this bot keeps no watches."),
    ],
)
async def test_each_verb_has_its_card(text: str, title: str) -> None:
    assert (await commands().answer(ask(text))).title == title


async def test_who_asks_too_often_is_told_how_long_to_wait() -> None:
    card = await commands(wait="Please ask again in 12 s.").answer(ask("192.0.2.1"))
    assert (card.title, card.private) == ("Please ask again in 12 s.", True)
    assert (await commands(wait="Please ask again in 12 s.").answer(ask("help"))).title == "What mailcheck can do"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("192.0.2.0/30", "4 of 4 addresses looked at"),
        ("mail.example.com", "2 of 2 addresses looked at"),
        ("192.0.2.1", ""),
    ],
)
async def test_a_check_of_several_targets_tells_how_far_it_is(text: str, last: str) -> None:
    told: list[str] = []
    await commands().answer(ask(text), told.append)
    assert (told[-1] if told else "") == last
    assert [words.partition(" ")[0] for words in told] == [str(number) for number in range(1, len(told) + 1)]
