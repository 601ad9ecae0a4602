"""Overview for the dashboard and Slack's App Home. Pure.

Incidents, watches by channel, mutes, lists, name servers and query budgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from bot.models import ServerHealth, Verdict
from bot.monitoring.dnsbl_quarantine import ListHealth, QueryUsage
from bot.monitoring.interfaces import StoredWatch
from bot.monitoring.models import Phase, Problem, unique_problems
from handlers.message import Card, Line, Table, Tone
from handlers.messages.blocklists import ListRow, lists_card
from handlers.messages.formatting import REASON_TEXTS, join_names, pluralize
from handlers.messages.problems import format_time, problems_summary, watch_label, worst_tone
from handlers.messages.watches import present_problems, watch_interval, watch_state, watches_tone

WATCH_HINT = "Type `watch 203.0.113.5 example.com` in a channel; it is alerted when something changes."
QUARANTINE_NOTE = (
    "It suddenly listed far more targets than usual. Its results count again once its test points are right for some "
    "rounds."
)
UNANSWERED_NOTE = "Its results cannot be verified right now, so they change no incident."
BUDGET_NOTE = "A tenth of each limit is reserved for people's checks; the rest limits how often watches are polled."
BUDGET_WARNING_SHARE = 0.8  # share of a budget from which it is a warning


@dataclass(frozen=True, slots=True)
class Section:
    """Cards under a heading."""

    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """Sections about watches and about the bot's own health.

    `lists_pending`: the list status is still being queried.
    """

    watched: tuple[Section, ...] = ()
    health: tuple[Section, ...] = ()
    lists_pending: bool = False


@dataclass(frozen=True, slots=True)
class ChannelWatch:
    """A stored watch and the display name of its channel."""

    stored: StoredWatch
    channel_name: str


def watch_sections(watched: Sequence[ChannelWatch], now: datetime) -> tuple[Section, ...]:
    """Sections about watches, those with a problem first."""
    ranked = sorted(
        watched, key=lambda item: (item.channel_name, not present_problems(item.stored), item.stored.watch.subject)
    )
    channels = [(name, list(group)) for name, group in groupby(ranked, key=lambda item: item.channel_name)]
    cards = tuple(_channel_card(name, [item.stored for item in group], now) for name, group in channels)
    nothing = Card("Nothing is watched here yet", step=WATCH_HINT)
    return (
        Section("Incidents", (_incidents_card(ranked),)),
        Section("Watches", cards or (nothing,)),
        Section("Mutes", (_mutes_card([item for item in ranked if _is_muted(item.stored, now)]),)),
    )


def lists_section(
    rows: Sequence[ListRow] | None, list_healths: Iterable[ListHealth], list_names: Mapping[str, str]
) -> Section:
    """Status of the lists; `rows` is None while it is pending, `list_names` are by list id."""
    notes = [
        Line(
            f"{list_names.get(health.list_id, health.list_id)}: results ignored since "
            f"{format_time(health.quarantined_since)}",
            Tone.WARN,
            QUARANTINE_NOTE,
        )
        for health in list_healths
        if health.quarantined_since
    ]
    degraded = [
        list_names.get(health.list_id, health.list_id)
        for health in list_healths
        if health.degraded and not health.quarantined_since
    ]
    notes += (
        [Line(f"No answer for some rounds: {join_names(degraded)}", Tone.UNSURE, UNANSWERED_NOTE)] if degraded else []
    )
    if rows is None:
        card = Card("Querying the test points of every blocklist …", lines=tuple(notes))
        return Section("Blocklists", (card,))
    card = lists_card(rows)
    lines = (*notes, *_unusable_lines(rows))
    return Section("Blocklists", (Card(card.title, Tone.WARN if notes else card.tone, card.step, lines),))


def resolver_section(servers: Sequence[ServerHealth]) -> Section:
    unresponsive = [server.server for server in servers if server.unresponsive]
    rows = tuple(
        (server.server, _server_state(server), _response_time(server), f"{server.sent:,}", _retry_share(server))
        for server in servers
    )
    title = (
        f"{join_names(unresponsive)} does not answer right now"
        if unresponsive
        else f"{pluralize(len(servers), 'name server')} in use"
    )
    step = "Is it running, and does it answer this host? `mailcheck doctor` shows more." if unresponsive else ""
    table = Table(("Name server", "State", "Round trip", "Queries", "Retries"), rows)
    tone = Tone.BAD if len(unresponsive) == len(servers) else Tone.WARN if unresponsive else Tone.GOOD
    return Section("Resolver", (Card(title, tone, step, table=table, footnote="since this process was started"),))


def budgets_section(budgets: Sequence[QueryUsage], list_names: Mapping[str, str]) -> Section:
    """Queries of watches today per list limit, fullest first; unused lists are only counted."""
    ranked = sorted(
        (budget for budget in budgets if budget.used),
        key=lambda budget: (-budget.used / budget.per_day, budget.list_id),
    )
    rows = tuple(
        (
            list_names.get(budget.list_id, budget.list_id),
            f"{budget.used:,}",
            f"{budget.per_day:,}",
            f"{budget.used / budget.per_day:.1%}",
        )
        for budget in ranked
    )
    full = [
        list_names.get(budget.list_id, budget.list_id)
        for budget in ranked
        if budget.used >= BUDGET_WARNING_SHARE * budget.per_day
    ]
    if not rows:
        return Section("Budgets", (Card("No watch has queried a list with a daily limit today"),))
    title = f"Nearly used up today: {join_names(full)}" if full else "Watches stay within the limits of every list"
    table = Table(("Blocklist", "Used today", "Daily limit", "Share"), rows)
    unused = len(budgets) - len(rows)
    note = f"{BUDGET_NOTE} {pluralize(unused, 'more list')} with a limit: not queried today." if unused else BUDGET_NOTE
    return Section("Budgets", (Card(title, Tone.WARN if full else Tone.GOOD, table=table, footnote=note),))


def _incidents_card(watched: Sequence[ChannelWatch]) -> Card:
    opened = [(since, item) for item in watched if (since := item.stored.incident.opened_at)]
    known = [item for item in watched if not item.stored.incident.opened_at and present_problems(item.stored)]
    lines = [_incident_line(item, since) for since, item in sorted(opened, key=lambda pair: pair[0])]
    lines += map(_known_line, known)
    title = f"{pluralize(len(opened), 'incident')} {'is' if len(opened) == 1 else 'are'} open"
    if not opened:
        title = "No incident is open"
    if known:
        title += f"; {pluralize(len(known), 'watch')} with problems known when the watch began"
    return Card(title, watches_tone(item.stored for item in watched), lines=tuple(lines))


def _incident_line(item: ChannelWatch, since: datetime) -> Line:
    incident = item.stored.incident
    problems = problems_summary(unique_problems(_notified(incident.problems))) or "being cleared"
    owner = f"acknowledged by {incident.acknowledged.actor}" if incident.acknowledged else "not acknowledged"
    return Line(
        f"{watch_label(item.stored.watch)}: {problems}",
        Tone.BAD,
        f"Since {format_time(since)} · {item.channel_name} · {owner}",
    )


def _known_line(item: ChannelWatch) -> Line:
    problems = present_problems(item.stored)
    return Line(
        f"{watch_label(item.stored.watch)}: {problems_summary(unique_problems(problems))}",
        worst_tone(problems),
        f"Known when the watch began · {item.channel_name}",
    )


def _notified(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.notified and problem.phase is not Phase.CLEAN]


def _channel_card(name: str, watches: Sequence[StoredWatch], now: datetime) -> Card:
    with_problem = sum(bool(present_problems(stored)) for stored in watches)
    title = f"{name}: {len(watches)} {'watch' if len(watches) == 1 else 'watches'}"
    rows = tuple(
        (watch_label(stored.watch), watch_state(stored), watch_interval(stored), _next_poll(stored, now))
        for stored in watches
    )
    return Card(
        f"{title}, {with_problem} with a problem" if with_problem else title,
        watches_tone(watches),
        table=Table(("Watch", "State", "Every", "Next check"), rows),
    )


def _next_poll(stored: StoredWatch, now: datetime) -> str:
    if stored.paused or stored.next_poll_at is None:
        return "none while paused" if stored.paused else "not planned yet"
    if stored.next_poll_at <= now:
        return "now"
    return (
        f"{stored.next_poll_at:%H:%M} UTC"
        if stored.next_poll_at.date() == now.date()
        else format_time(stored.next_poll_at)
    )


def _is_muted(stored: StoredWatch, now: datetime) -> bool:
    return stored.incident.muted is not None and stored.incident.muted.until > now


def _mutes_card(muted: Sequence[ChannelWatch]) -> Card:
    if not muted:
        return Card("Nothing is muted")
    lines = tuple(_mute_line(item) for item in muted)
    return Card(f"{len(muted)} {'watch is' if len(muted) == 1 else 'watches are'} muted", Tone.UNSURE, lines=lines)


def _mute_line(item: ChannelWatch) -> Line:
    muted = item.stored.incident.muted
    assert muted is not None
    return Line(
        f"{watch_label(item.stored.watch)}: no alerts until {format_time(muted.until)}",
        Tone.UNSURE,
        f"Muted by {muted.actor} · {item.channel_name}",
    )


def _unusable_lines(rows: Sequence[ListRow]) -> list[Line]:
    """Unusable lists, grouped by reason."""
    reasons: dict[str, list[str]] = {}
    for name, verdict, reason, _ in sorted(rows, key=lambda row: row[0].lower()):
        if verdict is not Verdict.PASS:
            reasons.setdefault(REASON_TEXTS.get(reason, reason) or "no reason is known", []).append(name)
    ranked = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Line(f"{join_names(names)}: {reason}", Tone.UNSURE) for reason, names in ranked]


def _server_state(server: ServerHealth) -> str:
    if server.unresponsive:
        return "no answer"
    return "answers" if server.answered else "not queried yet"


def _response_time(server: ServerHealth) -> str:
    return "–" if server.rtt_s is None else f"{max(1, round(server.rtt_s * 1e3))} ms"


def _retry_share(server: ServerHealth) -> str:
    return f"{server.retried / server.sent:.1%}" if server.sent else "–"
