"""How everything is at one look: incidents, watches by channel, mutes, the lists, the resolver and the budgets. Pure.

The page of the bot and Slack's App Home draw the same sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from bot.models import ServerHealth, Verdict
from bot.monitoring.dnsbl_quarantine import ListHealth, Used
from bot.monitoring.interfaces import Kept
from bot.monitoring.models import Phase, Problem, each_once
from handlers.message import Card, Line, Table, Tone
from handlers.messages.blocklists import ListRow, lists_card
from handlers.messages.formatting import REASONS, count, listed_by
from handlers.messages.problems import subject_of, what_is_wrong, when
from handlers.messages.watches import interval_of, state_of

TO_WATCH = "Type `watch 203.0.113.5 example.com` in a channel; it hears of it when something changes."
HELD = "It suddenly listed far too much. It is believed again once its own test entries are right for some rounds."
SILENT = "Nothing that it says can be verified right now, so it moves no incident."
BUDGET_NOTE = (
    "A tenth of each limit is kept for people's checks; where the rest is not enough, watches look less often."
)
FULL = 0.8  # of a budget: from here on it is worth a look


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """What is watched, and how well the bot can see. `waiting`: the lists are still being asked."""

    watched: tuple[Section, ...] = ()
    sight: tuple[Section, ...] = ()
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """A watch with all that is remembered of it, and what people call its channel."""

    kept: Kept
    channel: str


def watched_sections(watched: Sequence[Watched], now: datetime) -> tuple[Section, ...]:
    """What is wrong comes first."""
    ranked = sorted(watched, key=lambda one: (one.channel, one.kept.incident.opened is None, one.kept.watch.subject))
    channels = [(name, list(some)) for name, some in groupby(ranked, key=lambda one: one.channel)]
    cards = tuple(_channel_card(name, [one.kept for one in some], now) for name, some in channels)
    nothing = Card("Nothing is watched here yet", step=TO_WATCH)
    return (
        Section("Incidents", (_incidents_card(ranked),)),
        Section("Watches", cards or (nothing,)),
        Section("Mutes", (_mutes_card([one for one in ranked if _is_muted(one.kept, now)]),)),
    )


def lists_section(rows: Sequence[ListRow] | None, healths: Iterable[ListHealth], names: Mapping[str, str]) -> Section:
    """`rows` is None while the lists are still being asked; `names` are theirs by id."""
    held = [
        Line(f"{names.get(one.list, one.list)}: held back since {when(one.held_since)}", Tone.WARN, HELD)
        for one in healths
        if one.held_since
    ]
    silent = [names.get(one.list, one.list) for one in healths if one.degraded and not one.held_since]
    held += [Line(f"Silent for some rounds: {listed_by(silent)}", Tone.UNSURE, SILENT)] if silent else []
    if rows is None:
        asking = Card("Asking every blocklist for its test entries …", lines=tuple(held))
        return Section("Blocklists", (asking,))
    card = lists_card(rows)
    lines = (*held, *_unbelieved(rows))
    return Section("Blocklists", (Card(card.title, Tone.WARN if held else card.tone, card.step, lines),))


def resolver_section(servers: Sequence[ServerHealth]) -> Section:
    silent = [one.server for one in servers if one.silent]
    rows = tuple((one.server, _server(one), _usual(one), f"{one.sent:,}", _repeated(one)) for one in servers)
    title = (
        f"{listed_by(silent)} does not answer right now" if silent else f"{count(len(servers), 'name server')} in use"
    )
    step = "Is it running, and may this host ask it? `mailcheck doctor` says more." if silent else ""
    table = Table(("Name server", "State", "Usual answer", "Questions", "Asked again"), rows)
    tone = Tone.BAD if len(silent) == len(servers) else Tone.WARN if silent else Tone.GOOD
    return Section("Resolver", (Card(title, tone, step, table=table, footnote="since this process was started"),))


def budgets_section(budgets: Sequence[Used], names: Mapping[str, str]) -> Section:
    """What watches used today of what the lists allow, the fullest first; a list that was not asked is only counted."""
    ranked = sorted((one for one in budgets if one.used), key=lambda one: (-one.used / one.per_day, one.list))
    rows = tuple(
        (names.get(one.list, one.list), f"{one.used:,}", f"{one.per_day:,}", f"{one.used / one.per_day:.1%}")
        for one in ranked
    )
    full = [names.get(one.list, one.list) for one in ranked if one.used >= FULL * one.per_day]
    if not rows:
        return Section("Budgets", (Card("No watch has asked a list with a daily limit today"),))
    title = f"Nearly used up today: {listed_by(full)}" if full else "Watches keep within what every list allows"
    table = Table(("Blocklist", "Used today", "Allowed a day", "Part"), rows)
    idle = len(budgets) - len(rows)
    note = f"{BUDGET_NOTE} {count(idle, 'more list')} with a limit: not asked today." if idle else BUDGET_NOTE
    return Section("Budgets", (Card(title, Tone.WARN if full else Tone.GOOD, table=table, footnote=note),))


def _incidents_card(watched: Sequence[Watched]) -> Card:
    opened = [(since, one) for one in watched if (since := one.kept.incident.opened)]
    if not opened:
        return Card("No incident is open", Tone.GOOD)
    lines = [_incident(one, since) for since, one in sorted(opened, key=lambda pair: pair[0])]
    verb = "is" if len(lines) == 1 else "are"
    return Card(f"{count(len(lines), 'incident')} {verb} open", Tone.BAD, lines=tuple(lines))


def _incident(one: Watched, since: datetime) -> Line:
    incident = one.kept.incident
    wrong = what_is_wrong(each_once(_there(incident.problems))) or "being cleared"
    hand = f"{incident.acknowledged.by} has it in hand" if incident.acknowledged else "nobody has it in hand yet"
    return Line(f"{subject_of(one.kept.watch)}: {wrong}", Tone.BAD, f"Since {when(since)} · {one.channel} · {hand}")


def _there(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.told and problem.phase is not Phase.CLEAN]


def _channel_card(name: str, kept: Sequence[Kept], now: datetime) -> Card:
    is_open = sum(one.incident.opened is not None for one in kept)
    title = f"{name}: {len(kept)} {'watch' if len(kept) == 1 else 'watches'}"
    rows = tuple((subject_of(one.watch), state_of(one), interval_of(one), _next_look(one, now)) for one in kept)
    return Card(
        f"{title}, {is_open} with an open incident" if is_open else title,
        Tone.WARN if is_open else Tone.GOOD,
        table=Table(("Watch", "State", "Every", "Next look"), rows),
    )


def _next_look(one: Kept, now: datetime) -> str:
    if one.paused or one.due is None:
        return "none while it rests" if one.paused else "not planned yet"
    if one.due <= now:
        return "now"
    return f"{one.due:%H:%M} UTC" if one.due.date() == now.date() else when(one.due)


def _is_muted(one: Kept, now: datetime) -> bool:
    return one.incident.muted is not None and one.incident.muted.until > now


def _mutes_card(muted: Sequence[Watched]) -> Card:
    if not muted:
        return Card("Nothing is muted")
    lines = tuple(_mute(one) for one in muted)
    return Card(f"{len(muted)} {'watch is' if len(muted) == 1 else 'watches are'} muted", Tone.UNSURE, lines=lines)


def _mute(one: Watched) -> Line:
    muted = one.kept.incident.muted
    assert muted is not None
    return Line(
        f"{subject_of(one.kept.watch)}: no alerts until {when(muted.until)}",
        Tone.UNSURE,
        f"Muted by {muted.by} · {one.channel}",
    )


def _unbelieved(rows: Sequence[ListRow]) -> list[Line]:
    """Lists that cannot be believed, together by reason."""
    reasons: dict[str, list[str]] = {}
    for name, verdict, reason, _ in sorted(rows, key=lambda row: row[0].lower()):
        if verdict is not Verdict.PASS:
            reasons.setdefault(REASONS.get(reason, reason) or "no reason is known", []).append(name)
    said = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Line(f"{listed_by(names)}: {reason}", Tone.UNSURE) for reason, names in said]


def _server(one: ServerHealth) -> str:
    if one.silent:
        return "silent"
    return "answers" if one.answered else "not asked yet"


def _usual(one: ServerHealth) -> str:
    return "–" if one.usual_s is None else f"{max(1, round(one.usual_s * 1e3))} ms"


def _repeated(one: ServerHealth) -> str:
    return f"{one.resent / one.sent:.1%}" if one.sent else "–"
