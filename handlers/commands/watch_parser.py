"""Commands about watches as they were typed. Pure; every refusal is one sentence: BadCommand, BadTarget or BadDuration.

`history TARGET|ID [7d|30d|all]`: the past of one watch of the channel in which it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from bot.inputs.domain_names import quoted
from bot.inputs.durations import BadDuration, read_duration
from bot.inputs.special_addresses import special
from bot.inputs.targets import BadTarget, read_targets
from bot.models import Role
from bot.monitoring.history import History
from bot.monitoring.interfaces import RoomSettings, Updates
from bot.monitoring.models import MOST_ADDRESSES, Network, Watch
from bot.monitoring.schedule import BadInterval, people_interval
from handlers.commands.parser import BadCommand, take_apart
from handlers.sanitize import inert

NAME = re.compile(r"(?:^|\s)name\s+(?:[\"“”„](?P<quoted>[^\"“”]*)[\"“”]|(?P<rest>.+)$)", re.IGNORECASE)
LONGEST_NAME = 60
LONGEST_MUTE = timedelta(days=30)
REFUSALS = (BadCommand, BadTarget, BadDuration, BadInterval)
TOO_MUCH = f"That is too much for one command: watch up to {MOST_ADDRESSES} addresses at once."
SETTINGS = (
    "Type `settings updates thread`, `thread+broadcast` or `edit-only`, `settings reminder on` or `off`, "
    "`settings restrict on` or `off`, `settings lists here` or `off`, or `settings digest weekly` or `off`."
)
ON_OFF = {"on": True, "off": False}
HERE_OFF = {"here": True, "off": False}
WEEKLY_OFF = {"weekly": True, "off": False}
UPDATES = (Updates.THREAD, Updates.BROADCAST, Updates.EDIT_ONLY)


@dataclass(frozen=True, slots=True)
class Subject:
    """What one watch follows."""

    network: Network | None
    domain: str | None

    def __str__(self) -> str:
        network = self.network
        one = network is not None and network.num_addresses == 1
        address = str(network.network_address) if network is not None and one else str(network or "")
        return " ".join(part for part in (address, self.domain) if part)


@dataclass(frozen=True, slots=True)
class Wish:
    """`every` is None where nothing was said. `addresses`: the domain's own addresses are to be found and followed."""

    subjects: tuple[Subject, ...]
    every: timedelta | None
    role: Role
    name: str = ""
    addresses: bool = False


def read_watch(text: str, usual: timedelta, special_allowed: bool = False) -> Wish:
    """`TARGET… [addresses] [every 1h] [as mta|client] [name "HQ egress"]`; an interval as short as `usual` is always
    possible. Nothing can be learned of a special-purpose address unless the operator allows it, so it is not watched."""
    name = ""
    if match := NAME.search(text):
        name = inert(match["quoted"] if match["quoted"] is not None else match["rest"], LONGEST_NAME)
        text = f"{text[: match.start()]} {text[match.end() :]}"
    words = take_apart(text.split(), ("every", "as"), ("addresses",))
    subjects = read_subjects(words.left)
    if not special_allowed:
        _refuse_special(subject.network for subject in subjects if subject.network)
    addresses = "addresses" in words.flags
    if addresses and any(subject.network for subject in subjects):
        raise BadCommand("`addresses` goes with a domain alone: its own addresses are then found and watched.")
    every = words.last("every")
    return Wish(subjects, _interval(every, usual) if every else None, words.role, name, addresses)


def read_subjects(words: Sequence[str]) -> tuple[Subject, ...]:
    """Addresses, ranges of up to 256 of them, and the domain they go with; or domains."""
    ranges = {word: network for word in words if (network := _range(word))}
    others = [word for word in words if word not in ranges]
    targets = read_targets(" ".join(others)) if others or not ranges else ()
    domains = list(dict.fromkeys(target.domain for target in targets if target.domain))
    networks = [*ranges.values(), *(ip_network(target.ip) for target in targets if target.ip)]
    if networks and len(domains) > 1:
        raise BadCommand(
            f"Give one domain together with addresses; {' and '.join(domains[:2])} could each belong to them."
        )
    if sum(network.num_addresses for network in networks) > MOST_ADDRESSES:
        raise BadCommand(TOO_MUCH)
    if networks:
        return tuple(Subject(network, domains[0] if domains else None) for network in dict.fromkeys(networks))
    return tuple(Subject(None, domain) for domain in domains)


def read_mute(text: str) -> tuple[str, timedelta | None]:
    """`TARGET|ID 24h`; without a length of time None, which asks for it."""
    words = text.split()
    if len(words) < 2:
        return _named(text), None
    try:
        length = read_duration(words[-1])
    except BadDuration:
        if _is_target(words[-1]):
            return text, None
        raise
    if length > LONGEST_MUTE:
        raise BadCommand("A mute has an end: give 30 days at most, or end the watch with `unwatch`.")
    return " ".join(words[:-1]), length


def read_one(text: str) -> str:
    """The target or the id that `unwatch`, `unmute` and `ack` take."""
    return _named(text)


def read_settings(text: str, before: RoomSettings) -> RoomSettings:
    """`updates thread`, `reminder off`, `restrict on`; nothing at all changes nothing."""
    words = text.lower().split()
    match words:
        case []:
            return before
        case ["updates", how] if how in UPDATES:
            return replace(before, updates=how)
        case ["reminder", state] if state in ON_OFF:
            return replace(before, reminder=ON_OFF[state])
        case ["lists", state] if state in HERE_OFF:
            return replace(before, lists=HERE_OFF[state])
        case ["restrict", state] if state in ON_OFF:
            return replace(before, restrict=ON_OFF[state])
        case ["digest", how] if how in WEEKLY_OFF:
            return replace(before, digest=WEEKLY_OFF[how])
    raise BadCommand(f"{quoted(text)} is no setting. {SETTINGS}")


def canonical(text: str) -> str:
    """A target as a watch writes it; anything else as it is."""
    try:
        subjects = read_subjects(text.split())
    except REFUSALS:
        return text
    return str(subjects[0]) if len(subjects) == 1 else text


def _refuse_special(networks: Iterable[Network]) -> None:
    for network in networks:
        first, last = special(network[0]), special(network[-1])
        if first and last:
            raise BadCommand(
                f"{network[0]} is {first.name}: {first.says} Watch the public address that your mail leaves from."
            )


def _named(text: str) -> str:
    if not text.strip():
        raise BadCommand("Name a watch by its target or its id; `watches` shows them.")
    return text.strip()


def _interval(text: str, usual: timedelta) -> timedelta:
    every = read_duration(text)
    return every if usual <= every <= timedelta(hours=1) else people_interval(every)


def _range(word: str) -> Network | None:
    """A range of addresses; counted and never expanded, so that one of any size costs nothing."""
    start, slash, length = word.partition("/")
    if not slash or "%" in start:
        return None
    try:
        ip_address(start)
    except ValueError:
        return None  # a URL
    try:
        network = ip_network(f"{start}/{length}", strict=False)
    except ValueError:
        raise BadCommand(f"{quoted(word)} is not a range; type it like 203.0.113.0/28 or 2001:db8::/124.") from None
    if network.num_addresses > MOST_ADDRESSES:
        raise BadCommand(
            f"{quoted(word)} holds more than {MOST_ADDRESSES} addresses; type /24 (IPv6: /120) or smaller."
        )
    return network


def _is_target(word: str) -> bool:
    try:
        return bool(read_subjects([word]))
    except REFUSALS:
        return False


USUAL = timedelta(days=30)
EVERYTHING = "all"


def read_history(text: str) -> tuple[str, timedelta | None]:
    """The watch as it was named, and how far to look back; None is to its beginning."""
    words = text.split()
    if len(words) < 2:
        return read_one(text), USUAL
    name, last = " ".join(words[:-1]), words[-1].lower()
    if last == EVERYTHING:
        return name, None
    try:
        return name, read_duration(last)
    except BadDuration:
        if last[:1].isdigit() and "." not in last and ":" not in last:
            raise
        return text.strip(), USUAL  # a name or a domain of several words


def beginning(watch: Watch, history: History, back: timedelta | None, now: datetime) -> datetime:
    """Where to begin: nothing is known from before there was a watch."""
    known = [watch.since, *(track.spans[0].since for track in history.tracks if track.spans)]
    return max(min(known), now - back) if back else min(known)
