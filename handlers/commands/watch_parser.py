"""Parser of the watch commands. Pure; errors are PARSE_ERRORS with one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from bot.inputs.domain_names import quoted
from bot.inputs.durations import BadDuration, compact_duration, parse_duration
from bot.inputs.special_addresses import special_purpose_of
from bot.inputs.targets import parse_targets
from bot.models import Role
from bot.monitoring.history import History
from bot.monitoring.interfaces import ChannelSettings
from bot.monitoring.models import MAX_ADDRESSES, MAX_MUTE, Follow, Network, Watch
from bot.monitoring.schedule import validate_interval
from handlers.commands.parser import Arguments, parse_arguments
from handlers.message import UpdateMode
from handlers.sanitize import sanitize
from handlers.verbs import PARSE_ERRORS, BadCommand

# The rest takes all that follows, so that only the first `name` is tried.
NAME_OPTION = re.compile(
    r"(?:^|\s)name\s++(?:[\"“”„](?P<quoted>[^\"“”]*+)[\"“”]|(?P<rest>.+))", re.IGNORECASE | re.DOTALL
)
MAX_NAME_LENGTH = 60
EMPTY_NAME = '""'
NOTHING_TO_EDIT = (
    "Say what to change: `edit 203.0.113.5 every 15m`, `as client`, `only blocklists` or `name HQ egress`."
)
DEFAULT_RANGE = timedelta(days=30)  # of `history`
FULL_RANGE = "all"
TOO_MANY_ADDRESSES = f"That is too much for one command: watch up to {MAX_ADDRESSES} addresses at once."
NOTHING_TO_WATCH = (
    "Tell me what to watch: an address like 203.0.113.5, a range like 203.0.113.0/28, or a domain like example.com."
)
SETTINGS_USAGE = (
    "Type `settings updates thread`, `thread+broadcast` or `edit-only`, "
    "`settings reminder on` or `off`, `settings restrict on` or `off`, "
    "`settings lists here` or `off`, `settings digest weekly` or `off`, "
    "or `settings follow all`, `lists` or `setup`."
)
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "updates thread": {"update_mode": UpdateMode.THREAD},
    "updates thread+broadcast": {"update_mode": UpdateMode.BROADCAST},
    "updates edit-only": {"update_mode": UpdateMode.EDIT_ONLY},
    "reminder on": {"reminders": True},
    "reminder off": {"reminders": False},
    "restrict on": {"creator_only": True},
    "restrict off": {"creator_only": False},
    "lists here": {"list_notices": True},
    "lists off": {"list_notices": False},
    "digest weekly": {"weekly_digest": True},
    "digest off": {"weekly_digest": False},
    **{f"follow {follow}": {"follow": follow} for follow in Follow},
}
ONLY = {"blocklists": Follow.LISTS, "lists": Follow.LISTS, "setup": Follow.SETUP, "all": Follow.ALL}
ONLY_USAGE = (
    "After `only` goes what to watch: `only blocklists`, or `only setup` for all the rest; `only all` ends the limit."
)


@dataclass(frozen=True, slots=True)
class WatchTarget:
    """Target of one watch: a network, a domain, or both."""

    network: Network | None
    domain: str | None

    def __str__(self) -> str:
        network = self.network
        is_single = network is not None and network.num_addresses == 1
        address = str(network.network_address) if network is not None and is_single else str(network or "")
        return " ".join(part for part in (address, self.domain) if part)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Parsed arguments of `watch`.

    `interval` and `follow` are None if not given. `discover_addresses`: watch the addresses of the domain's MX
    and SPF.
    """

    targets: tuple[WatchTarget, ...]
    interval: timedelta | None
    role: Role
    name: str = ""
    discover_addresses: bool = False
    follow: Follow | None = None


@dataclass(frozen=True, slots=True)
class WatchName:
    """A watch as typed: its id, its name, or its target, with the target in the form that watches use."""

    text: str
    target: str

    @property
    def options(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class MuteOptions:
    """Parsed arguments of `mute`; without a duration it is asked for."""

    watch: WatchName
    duration: timedelta | None

    @property
    def options(self) -> str:
        return compact_duration(self.duration) if self.duration else ""


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """Parsed arguments of `history`; `lookback` is None for all of it."""

    watch: WatchName
    lookback: timedelta | None

    @property
    def options(self) -> str:
        return compact_duration(self.lookback) if self.lookback else FULL_RANGE


@dataclass(frozen=True, slots=True)
class EditOptions:
    """Parsed arguments of `edit`; what is None stays as it is."""

    watch: WatchName
    interval: timedelta | None = None
    role: Role | None = None
    follow: Follow | None = None
    name: str | None = None

    @property
    def options(self) -> str:
        interval = f"every {compact_duration(self.interval)}" if self.interval else ""
        role, follow = (
            f"{word} {value}" if value else "" for word, value in (("as", self.role), ("only", self.follow))
        )
        name = "" if self.name is None else f"name {self.name or EMPTY_NAME}"
        return " ".join(filter(None, (interval, role, follow, name)))

    def apply(self, watch: Watch) -> Watch:
        """The watch with the changes."""
        changed = replace(
            watch,
            interval=self.interval or watch.interval,
            follow=self.follow or watch.follow,
            name=watch.name if self.name is None else self.name,
        )
        return changed.with_role(self.role) if self.role else changed


def read_watch(text: str) -> WatchOptions:
    """Parse `TARGET… [addresses] [every 1h] [as mta|client] [only blocklists|setup] [name "HQ egress"]`."""
    text, name = _split_name(text)
    arguments = parse_arguments(text.split(), ("every", "as", "only"), ("addresses",))
    if not arguments.positional:
        raise BadCommand(NOTHING_TO_WATCH)
    targets = read_watch_targets(arguments.positional)
    addresses = "addresses" in arguments.flags
    if addresses and any(target.network for target in targets):
        raise BadCommand("`addresses` goes with a domain alone: its own addresses are then found and watched.")
    return WatchOptions(targets, _interval(arguments), arguments.role, name or "", addresses, _follow(arguments))


def read_edit(text: str) -> EditOptions:
    """Parse `TARGET|NAME|ID [every 1h] [as mta|client] [only blocklists|setup|all] [name "HQ egress"]`."""
    text, name = _split_name(text)
    arguments = parse_arguments(text.split(), ("every", "as", "only"), ())
    role = arguments.role if "as" in arguments.options else None
    options = EditOptions(read_watch_name(arguments.text), _interval(arguments), role, _follow(arguments), name)
    if not options.options:
        raise BadCommand(NOTHING_TO_EDIT)
    return options


def _split_name(text: str) -> tuple[str, str | None]:
    """Split the option `name` off; None if it is not there."""
    match = NAME_OPTION.search(text)
    if match is None:
        return text, None
    name = sanitize(match["quoted"] if match["quoted"] is not None else match["rest"], MAX_NAME_LENGTH)
    return f"{text[: match.start()]} {text[match.end() :]}", name


def _interval(arguments: Arguments) -> timedelta | None:
    interval = arguments.last_value("every")
    return parse_duration(interval) if interval else None


def _follow(arguments: Arguments) -> Follow | None:
    only = arguments.last_value("only")
    if only and only not in ONLY:
        raise BadCommand(ONLY_USAGE)
    return ONLY[only] if only else None


def validate_watch(options: WatchOptions, default_interval: timedelta, allow_special: bool) -> None:
    """Hold options against the settings of the operator. Raises BadInterval or BadCommand.

    Special-purpose addresses are allowed only if the operator allows them.
    """
    if not allow_special:
        _reject_special(target.network for target in options.targets if target.network)
    if options.interval:
        validate_requested(options.interval, default_interval)


def validate_requested(interval: timedelta, default_interval: timedelta) -> None:
    """Raises BadInterval; an interval down to `default_interval` is always allowed."""
    if not default_interval <= interval <= timedelta(hours=1):
        validate_interval(interval)


def read_watch_targets(words: Sequence[str]) -> tuple[WatchTarget, ...]:
    """Parse addresses and ranges with at most one domain, or only domains."""
    ranges = {word: network for word in words if (network := _parse_range(word))}
    other_words = [word for word in words if word not in ranges]
    targets = parse_targets(" ".join(other_words)) if other_words or not ranges else ()
    domains = list(dict.fromkeys(target.domain for target in targets if target.domain))
    networks = [*ranges.values(), *(ip_network(target.ip) for target in targets if target.ip)]
    if networks and len(domains) > 1:
        raise BadCommand(
            f"Give one domain together with addresses; {' and '.join(domains[:2])} could each belong to them."
        )
    if sum(network.num_addresses for network in networks) > MAX_ADDRESSES:
        raise BadCommand(TOO_MANY_ADDRESSES)
    if networks:
        return tuple(WatchTarget(network, domains[0] if domains else None) for network in dict.fromkeys(networks))
    return tuple(WatchTarget(None, domain) for domain in domains)


def read_mute(text: str) -> MuteOptions:
    """Parse `TARGET|ID 24h`; the duration is None if not given."""
    words = text.split()
    if len(words) < 2:
        return MuteOptions(read_watch_name(text), None)
    try:
        duration = parse_duration(words[-1])
    except BadDuration:
        if _is_target(words[-1]):
            return MuteOptions(read_watch_name(text), None)
        raise
    if duration > MAX_MUTE:
        raise BadCommand("A mute has an end: give 30 days at most, or end the watch with `unwatch`.")
    return MuteOptions(read_watch_name(" ".join(words[:-1])), duration)


def read_watch_name(text: str) -> WatchName:
    """Parse the target, id or name of a watch."""
    if not text.strip():
        raise BadCommand("Name a watch by its target or its id; `watches` shows them.")
    return WatchName(text.strip(), canonical_target(text.strip()))


def read_setting(text: str) -> str:
    """Parse `updates thread`, `reminder off` and so on, a key of SETTINGS; empty text changes nothing."""
    setting = " ".join(text.lower().split())
    if setting and setting not in SETTINGS:
        name = setting.partition(" ")[0]
        if values := [f"`{known.partition(' ')[2]}`" for known in SETTINGS if known.startswith(f"{name} ")]:
            raise BadCommand(f"`settings {name}` takes {', '.join(values[:-1])} or {values[-1]}.")
        raise BadCommand(f"{quoted(text)} is no setting. {SETTINGS_USAGE}")
    return setting


def with_setting(setting: str, current: ChannelSettings) -> ChannelSettings:
    return replace(current, **SETTINGS[setting]) if setting else current


def settings_words(settings: ChannelSettings) -> str:
    """Settings in the words of the command, as stored in the audit stream."""
    words = {
        "updates": settings.update_mode,
        "reminder": "on" if settings.reminders else "off",
        "restrict": "on" if settings.creator_only else "off",
        "lists": "here" if settings.list_notices else "off",
        "digest": "weekly" if settings.weekly_digest else "off",
        "follow": str(settings.follow),
    }
    return " ".join(f"{name}={word}" for name, word in words.items())


def canonical_target(text: str) -> str:
    """A target in the form that watches use; other text unchanged."""
    try:
        targets = read_watch_targets(text.split())
    except PARSE_ERRORS:
        return text
    return str(targets[0]) if len(targets) == 1 else text


def _reject_special(networks: Iterable[Network]) -> None:
    for network in networks:
        first_block, last_block = special_purpose_of(network[0]), special_purpose_of(network[-1])
        if first_block and last_block:
            raise BadCommand(
                f"{network[0]} is {first_block.name}. {first_block.summary} Watch the public"
                " address that your mail leaves from."
            )


def _parse_range(word: str) -> Network | None:
    """Parse an address range without expanding it; None if it is not one."""
    start, slash, prefix_length = word.partition("/")
    if not slash or "%" in start:
        return None
    try:
        ip_address(start)
    except ValueError:
        return None  # a URL
    try:
        network = ip_network(f"{start}/{prefix_length}", strict=False)
    except ValueError:
        raise BadCommand(f"{quoted(word)} is not a range; type it like 203.0.113.0/28 or 2001:db8::/124.") from None
    if network.num_addresses > MAX_ADDRESSES:
        raise BadCommand(f"{quoted(word)} holds more than {MAX_ADDRESSES} addresses; type /24 (IPv6: /120) or smaller.")
    return network


def _is_target(word: str) -> bool:
    try:
        return bool(read_watch_targets([word]))
    except PARSE_ERRORS:
        return False


def read_history(text: str) -> HistoryOptions:
    """Parse `TARGET|ID [7d|30d|all]`."""
    words = text.split()
    if len(words) < 2:
        return HistoryOptions(read_watch_name(text), DEFAULT_RANGE)
    name, last = read_watch_name(" ".join(words[:-1])), words[-1].lower()
    if last == FULL_RANGE:
        return HistoryOptions(name, None)
    try:
        return HistoryOptions(name, parse_duration(last))
    except BadDuration:
        if last[:1].isdigit() and "." not in last and ":" not in last:
            raise
        return HistoryOptions(read_watch_name(text), DEFAULT_RANGE)  # a name of several words


def history_start(watch: Watch, history: History, lookback: timedelta | None, now: datetime) -> datetime:
    """Start of the range, not before the watch was created or its first entry."""
    known_since = [watch.created_at, *(track.spans[0].since for track in history.tracks if track.spans)]
    return max(min(known_since), now - lookback) if lookback else min(known_since)
