"""Responses about watches: added, listed, muted, removed, and the settings of a channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.checks.registry import CHECK_NAMES
from bot.inputs.domain_names import quoted
from bot.inputs.durations import compact_duration, format_duration
from bot.models import Report
from bot.monitoring.interfaces import ChannelSettings, StoredWatch
from bot.monitoring.list_counts import RoundCounts
from bot.monitoring.models import Follow, Incident, Muted, Phase, Problem, Watch, unique_problems
from bot.monitoring.observations import BLOCKLIST
from handlers.message import Button, Card, Fact, Line, Table, Tone, UpdateMode
from handlers.messages.alerts import problem_buttons
from handlers.messages.formatting import MUTE_DURATIONS, pluralize
from handlers.messages.problems import (
    SEVERITY_TONES,
    flapping_summary,
    format_time,
    names_with_addresses,
    problems_summary,
    watch_label,
    worst_tone,
)
from handlers.messages.report import report_card

MAX_KNOWN_PROBLEMS = 8
MAX_CHOICES = 5  # buttons; Teams shows six
KNOWN_NOTE = "What was wrong when the watch began raises no alert; you are notified when it clears."
COMMANDS_NOTE = "history, mute, unmute, ack, edit and unwatch take a target, a name or an id"
INTERVAL_NOTE = "an interval is longer than requested where the query quotas of the lists allow no shorter one"
SETTINGS_NOTE = (
    "Change one with settings updates thread, settings reminder off, settings restrict on, "
    "settings follow lists, settings digest weekly, or settings lists here (for the one channel of a workspace whose "
    "members run mailcheck)"
)
UPDATE_MODE_TEXTS: Mapping[str, str] = {
    UpdateMode.THREAD: "in the thread of the alert",
    UpdateMode.BROADCAST: "in the thread, and in the channel as well when a problem is new or cleared",
    UpdateMode.EDIT_ONLY: "only by editing the alert itself",
}
FOLLOWED_NAMES: Mapping[str, str] = {BLOCKLIST: "blocklists", **CHECK_NAMES}
FOLLOWS_MORE = "The watches here now also follow {names}; what is already wrong raises no alert"
FOLLOWS_LESS = "Type `settings follow lists` for blocklists only, or `watch … only blocklists` for one watch."
FOLLOWED: Mapping[Follow, str] = {
    Follow.ALL: "blocklists and mail setup",
    Follow.LISTS: "blocklists only",
    Follow.SETUP: "mail setup only",
}
FOLLOW_TEXTS: Mapping[Follow, str] = {
    Follow.ALL: "blocklists and the mail setup",
    Follow.LISTS: "blocklists only, unless a watch says otherwise",
    Follow.SETUP: "the mail setup only (PTR, SPF, DKIM, DMARC and so on), unless a watch says otherwise",
}


@dataclass(frozen=True, slots=True)
class AddedWatch:
    """A watch with the result of its first poll.

    `interval` is the effective one, `is_new` is False if the channel had the watch already,
    `report` is set if there was a single target, `list_counts` has one entry per list, `checks` are
    the ids of the checks that ran: what the watch follows.
    """

    watch: Watch
    incident: Incident
    interval: timedelta
    is_new: bool = True
    report: Report | None = None
    list_counts: tuple[RoundCounts, ...] = ()
    checks: frozenset[str] = frozenset()

    @property
    def unanswered(self) -> int:
        """Number of lists without a usable answer."""
        return sum(not result.answered for result in self.list_counts)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return unique_problems(self.incident.problems)


def first_poll_card(target_count: int, target: str) -> Card:
    """Acknowledgement before the first poll."""
    subject = target if target_count == 1 else pluralize(target_count, "target")
    return Card(f"Running the first check of {subject} …", private=True)


def added_card(added: Sequence[AddedWatch], notes: Sequence[str] = ()) -> Card:
    """New watches and what their first poll found; known problems raise no alert."""
    lines = tuple(Line(note, Tone.UNSURE) for note in notes)
    if len(added) > 1:
        return _added_watches_card(added, lines)
    first = added[0]
    watch, requested = first.watch, first.watch.interval
    if first.interval > requested:
        lines += (
            Line(f"Requested every {format_duration(requested)}; limited by the lists' query quotas.", Tone.UNSURE),
        )
    start = "Watching" if first.is_new else "Already watching"
    return Card(
        f"{start} {watch_label(watch)}, every {format_duration(first.interval)}",
        Tone.GOOD if not first.problems else Tone.WARN,
        lines=(*_known_problem_lines(first.problems), *_unanswered_lines(first), *lines),
        facts=(*_follow_facts([first]), Fact("Alerts", "here, when something changes and a second check confirms it")),
        buttons=(*problem_buttons(first.problems), unwatch_button(watch)),
        footnote=" · ".join(filter(None, (f"Watch {watch.id}", f"as {watch.role}", _limit(watch)))),
    )


def report_watched_card(report: Report, added: AddedWatch) -> Card:
    """The report whose Watch button was used, now marked as watched."""
    card = report_card(report)
    watched = Fact("Watched", f"every {format_duration(added.interval)}; changes are posted here")
    buttons = (button for button in card.buttons if not button.command.startswith("watch "))
    return replace(card, facts=(*card.facts, watched), buttons=(*buttons, unwatch_button(added.watch)))


def unwatch_button(watch: Watch) -> Button:
    return Button("Unwatch", f"unwatch {watch.id}", in_place=True)


def watches_card(watches: Sequence[StoredWatch]) -> Card:
    """All watches of a channel, those with a problem first."""
    if not watches:
        step = "Type `watch 203.0.113.5 example.com` to be alerted when something changes."
        return Card("Nothing is watched in this channel", step=step, private=True)
    ranked = sorted(watches, key=lambda stored: (not present_problems(stored), stored.watch.subject))
    rows = tuple(
        (watch_label(stored.watch), watch_state(stored), watch_interval(stored), stored.watch.id) for stored in ranked
    )
    is_limited = any(stored.interval and stored.interval > stored.watch.interval for stored in watches)
    with_problem = sum(bool(present_problems(stored)) for stored in watches)
    title = f"{_watch_count(len(watches))} in this channel"
    return Card(
        f"{title}, {with_problem} with a problem" if with_problem else title,
        watches_tone(watches),
        table=Table(("Target", "State", "Every", "Id"), rows),
        footnote=f"{COMMANDS_NOTE} · {INTERVAL_NOTE}" if is_limited else COMMANDS_NOTE,
        private=True,
    )


def which_watch_card(name: str, command: str, options: str, found: Sequence[StoredWatch]) -> Card:
    """Several watches match: a button for each, with the rest of the command, and the ids to type."""
    watches = [stored.watch for stored in found]
    labels = [watch_label(watch) for watch in watches]
    return Card(
        f"{quoted(name)} is in {len(watches)} watches: which one?",
        Tone.UNSURE,
        step=f"Choose one, or type its id: `{_joined(command, watches[0].id, options)}`.",
        table=Table(
            ("Target", "Role", "Id"),
            tuple((label, str(watch.role), watch.id) for label, watch in zip(labels, watches, strict=True)),
        ),
        buttons=tuple(
            Button(
                f"{label} as {watch.role}" if labels.count(label) > 1 else label,
                _joined(command, watch.id, options),
                in_place=True,
            )
            for label, watch in zip(labels[:MAX_CHOICES], watches, strict=False)
        ),
        private=True,
    )


def _joined(*words: str) -> str:
    return " ".join(filter(None, words))


def posted_in_channel_card(added: int) -> Card:
    return Card(f"{_watch_count(added)} added and announced in the channel.", Tone.GOOD, private=True)


def removed_card(watch: Watch, actor: str) -> Card:
    return Card(
        f"{actor} ended the watch of {watch_label(watch)}",
        buttons=(Button("Watch again", watch_command(watch), in_place=True),),
    )


def watch_command(watch: Watch) -> str:
    """The command that adds a watch as it is."""
    name = f"name {watch.name}" if watch.name else ""
    interval = f"every {compact_duration(watch.interval)}"
    return _joined("watch", watch.subject, interval, f"as {watch.role}", _limit(watch), name)


def edited_card(before: Watch, after: Watch, interval: timedelta, actor: str) -> Card:
    """What was changed; `interval` is the effective one."""
    values = (
        ("Name", before.name or "none", after.name or "none"),
        ("Every", format_duration(before.interval), format_duration(after.interval)),
        ("Role", str(before.role), str(after.role)),
        ("Follows", FOLLOWED[before.follow], FOLLOWED[after.follow]),
    )
    limited = f"Every {format_duration(interval)} for now: limited by the lists' query quotas."
    return Card(
        f"{actor} changed the watch of {watch_label(after)}",
        lines=(Line(limited, Tone.UNSURE),) if interval > after.interval else (),
        facts=tuple(Fact(label, f"{new} (was {old})") for label, old, new in values if old != new),
        footnote=f"Watch {after.id} · its history and open incident stay",
    )


def _limit(watch: Watch) -> str:
    """`only lists`, as `watch` reads it; empty for a watch that follows everything."""
    return f"only {watch.follow}" if watch.follow is not Follow.ALL else ""


def muted_card(watch: Watch, muted: Muted) -> Card:
    return Card(
        f"{muted.actor} muted {watch_label(watch)} until {format_time(muted.until)}",
        lines=(Line("What is still wrong when the mute ends is reported then."),),
        buttons=(Button("Unmute", f"unmute {watch.id}", in_place=True),),
    )


def unmuted_card(watch: Watch, actor: str) -> Card:
    return Card(f"{actor} unmuted {watch_label(watch)}")


def acknowledged_card(watch: Watch, actor: str) -> Card:
    return Card(f"{watch_label(watch)}: acknowledged by {actor}", lines=(Line("Reminders stop unless it gets worse."),))


def mute_duration_card(watch: Watch) -> Card:
    """Choice of a mute duration, for platforms without modals."""
    return Card(
        f"Mute {watch_label(watch)} for how long?",
        buttons=tuple(
            Button(length, f"mute {watch.id} {word}", in_place=True) for word, length in MUTE_DURATIONS.options
        ),
        footnote="or type, for example: mute 203.0.113.5 12h",
        private=True,
    )


def settings_card(settings: ChannelSettings, actor: str = "") -> Card:
    """Settings of a channel; public after a change by `actor`."""
    owners = "only the creator of a watch" if settings.creator_only else "everybody in this channel"
    return Card(
        f"{actor} changed the settings of this channel" if actor else "Settings of this channel",
        facts=(
            Fact("Updates", f"{settings.update_mode}: {UPDATE_MODE_TEXTS.get(settings.update_mode, '')}"),
            Fact("Reminder", "after a day in the thread" if settings.reminders else "off"),
            Fact("May end, mute or edit a watch", owners),
            Fact("Watches follow", FOLLOW_TEXTS[settings.follow]),
            Fact("Digest", "on Monday mornings (UTC), of the week before" if settings.weekly_digest else "off"),
            Fact(
                "When a blocklist itself is broken", "posted here, once" if settings.list_notices else "not posted here"
            ),
        ),
        footnote=SETTINGS_NOTE,
        private=not actor,
    )


def follows_card(checks: Sequence[str]) -> Card:
    """What the watches of a channel follow since an upgrade: one line, posted once."""
    names = ", ".join(CHECK_NAMES[check] for check in checks if check in CHECK_NAMES)
    return Card(FOLLOWS_MORE.format(names=names), footnote=FOLLOWS_LESS)


def not_in_channel_card() -> Card:
    """The bot cannot post in the channel, so no watch is stored."""
    return Card(
        "mailcheck is not in this channel and cannot post alerts, so no watch was added",
        Tone.WARN,
        step="Add mailcheck to the channel (in Slack: /invite @mailcheck), then try again.",
        private=True,
    )


def resumed_card() -> Card:
    return Card(
        "The watches of this channel are resumed",
        Tone.GOOD,
        lines=(Line("They were paused while mailcheck was not here."),),
    )


def _added_watches_card(added: Sequence[AddedWatch], lines: tuple[Line, ...]) -> Card:
    rows = tuple(
        (
            watch_label(item.watch),
            problems_summary(item.problems) or "no problems found",
            format_duration(item.interval),
            item.watch.id,
        )
        for item in added
    )
    return Card(
        f"Watching {pluralize(len(added), 'target')}",
        Tone.WARN if any(item.problems for item in added) else Tone.GOOD,
        lines=(Line(KNOWN_NOTE), *lines),
        facts=_follow_facts(added),
        table=Table(("Target", "First check", "Every", "Id"), rows),
    )


def _follow_facts(added: Sequence[AddedWatch]) -> tuple[Fact, ...]:
    """What the watches follow, by the checks that ran."""
    checks = frozenset[str]().union(*(item.checks for item in added))
    names = [name for check, name in FOLLOWED_NAMES.items() if check in checks]
    return (Fact("Follows", ", ".join(names)),) if names else ()


def _unanswered_lines(added: AddedWatch) -> list[Line]:
    """Warn about unanswered lists: a later listing there raises an alert."""
    if not added.unanswered:
        return []
    note = f"{added.unanswered} of {len(added.list_counts)} blocklists gave no reliable answer; `lists` shows which."
    return [Line(note, Tone.UNSURE)]


def _known_problem_lines(problems: Sequence[Problem]) -> list[Line]:
    if not problems:
        return [Line("No problems found by the first check.", Tone.GOOD)]
    shown = [
        Line(
            p.last_observation.summary or names_with_addresses([p]),
            SEVERITY_TONES[p.last_observation.severity],
            p.last_observation.remediation,
        )
        for p in problems[:MAX_KNOWN_PROBLEMS]
    ]
    more = [Line(f"{len(problems) - MAX_KNOWN_PROBLEMS} more.")] if len(problems) > MAX_KNOWN_PROBLEMS else []
    return [*shown, *more, Line(KNOWN_NOTE)]


def watch_state(stored: StoredWatch) -> str:
    """State of a watch in a few words: problems, acknowledged, muted, paused."""
    incident, present = stored.incident, present_problems(stored)
    known = [p for p in present if p.known_from_start]
    states = [problems_summary(unique_problems([p for p in present if p not in known]))]
    states += [f"known when the watch began: {names_with_addresses(known)}"] if known else []
    flapping = [p for p in incident.problems if p.flapping]
    states += [flapping_summary(flapping)] if flapping else []
    states = list(filter(None, states)) or ["no problems"]
    states += ["acknowledged"] if incident.acknowledged else []
    states += [f"muted until {format_time(incident.muted.until)}"] if incident.muted else []
    states += ["paused: mailcheck could not post in this channel"] if stored.paused else []
    return ", ".join(states)


def watches_tone(watches: Iterable[StoredWatch]) -> Tone:
    """The tone of the worst problem, also of one that was known when its watch began; good where there is none."""
    present = [problem for stored in watches for problem in present_problems(stored)]
    return worst_tone(present) if present else Tone.GOOD


def present_problems(stored: StoredWatch) -> list[Problem]:
    """The problems that the channel knows and that are still there."""
    return [p for p in stored.incident.problems if p.notified and p.phase is not Phase.CLEAN]


def watch_interval(stored: StoredWatch) -> str:
    """The effective interval, and the requested one if it is shorter."""
    requested, actual = stored.watch.interval, stored.interval or stored.watch.interval
    return format_duration(actual) + (f" (requested: {format_duration(requested)})" if actual > requested else "")


def _watch_count(number: int) -> str:
    return "1 watch" if number == 1 else f"{number} watches"
