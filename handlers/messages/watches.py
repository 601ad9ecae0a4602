"""Answers about watches: added, listed, muted, ended, and how a channel wants to hear of things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.inputs.durations import write_duration
from bot.models import Report
from bot.monitoring.dnsbl_quarantine import Heard
from bot.monitoring.interfaces import Kept, RoomSettings, Updates
from bot.monitoring.models import Incident, Muted, Phase, Problem, Watch, each_once
from handlers.message import Button, Card, Fact, Line, Table, Tone
from handlers.messages.formatting import MUTE_FOR, count
from handlers.messages.problems import TONES, named, subject_of, what_is_wrong, when
from handlers.messages.report import report_card

KNOWN_SHOWN = 8
TAKES = "history, unwatch, mute, unmute and ack take a target or an id"
LONGER = "an interval is longer than wished where the lists can be asked no more often"
CHANGE = (
    "Change one with settings updates thread, settings reminder off, settings restrict on, settings digest weekly, "
    "or settings lists here (for the one channel of a workspace that looks after mailcheck)"
)
UPDATES = {
    Updates.THREAD: "in the thread of the alert",
    Updates.BROADCAST: "in the thread, and for the whole channel what is newly bad and what is clear again",
    Updates.EDIT_ONLY: "only by editing the alert itself",
}


@dataclass(frozen=True, slots=True)
class Added:
    """A watch with its first look; `every` is the interval that it gets, `new` is False where the room had it already.

    `report` is what that look saw, where it was one target; `heard` is what it heard of each list.
    """

    watch: Watch
    incident: Incident
    every: timedelta
    new: bool = True
    report: Report | None = None
    heard: tuple[Heard, ...] = ()

    @property
    def silent(self) -> int:
        """The lists that gave no answer to believe."""
        return sum(not one.answered for one in self.heard)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return each_once(self.incident.problems)


def first_look_card(subjects: int, what: str) -> Card:
    """Said at once, before the first look is over."""
    return Card(f"Taking a first look at {what if subjects == 1 else count(subjects, 'target')} …", private=True)


def added_card(added: Sequence[Added], notes: Sequence[str] = ()) -> Card:
    """What is watched from now on, and what was found at the first look: that is known now, and raises no alert."""
    lines = tuple(Line(note, Tone.UNSURE) for note in notes)
    if len(added) > 1:
        return _several_added(added, lines)
    one = added[0]
    watch, wished = one.watch, one.watch.every
    if one.every > wished:
        lines += (
            Line(f"You asked for every {write_duration(wished)}; the lists allow no more than that.", Tone.UNSURE),
        )
    start = "Watching" if one.new else "Already watching"
    return Card(
        f"{start} {subject_of(watch)}, every {write_duration(one.every)}",
        Tone.GOOD if not one.problems else Tone.WARN,
        lines=(*_known(one.problems), *_silent(one), *lines),
        facts=(Fact("Alerts", "here, when something changes and a second look confirms it"),),
        buttons=(unwatch_button(watch),),
        footnote=f"Watch {watch.id} · as {watch.role}",
    )


def watched_report_card(report: Report, added: Added) -> Card:
    """The report whose button was pressed, which now says that it is watched."""
    card = report_card(report)
    watched = Fact("Watched", f"every {write_duration(added.every)}; what changes is told here")
    kept = (button for button in card.buttons if not button.command.startswith("watch "))
    return replace(card, facts=(*card.facts, watched), buttons=(*kept, unwatch_button(added.watch)))


def unwatch_button(watch: Watch) -> Button:
    return Button("Unwatch", f"unwatch {watch.id}", in_place=True)


def watches_card(kept: Sequence[Kept]) -> Card:
    """All watches of a room, those with a problem first."""
    if not kept:
        step = "Type `watch 203.0.113.5 example.com`, and you hear of it when something changes."
        return Card("Nothing is watched in this channel", step=step, private=True)
    ranked = sorted(kept, key=lambda one: (one.incident.opened is None, one.watch.subject))
    rows = tuple((subject_of(one.watch), state_of(one), interval_of(one), one.watch.id) for one in ranked)
    longer = any(one.every and one.every > one.watch.every for one in kept)
    is_open = sum(one.incident.opened is not None for one in kept)
    title = f"{_watches(len(kept))} in this channel"
    return Card(
        f"{title}, {is_open} with a problem" if is_open else title,
        Tone.WARN if is_open else Tone.GOOD,
        table=Table(("Target", "State", "Every", "Id"), rows),
        footnote=f"{TAKES} · {LONGER}" if longer else TAKES,
        private=True,
    )


def said_in_channel_card(added: int) -> Card:
    return Card(f"{_watches(added)} added; the channel has been told.", Tone.GOOD, private=True)


def removed_card(watch: Watch, by: str) -> Card:
    return Card(
        f"{by} ended the watch of {subject_of(watch)}",
        buttons=(
            Button("Watch again", f"watch {watch.subject} every {_short(watch.every)} as {watch.role}", in_place=True),
        ),
    )


def muted_card(watch: Watch, muted: Muted) -> Card:
    return Card(
        f"{muted.by} muted {subject_of(watch)} until {when(muted.until)}",
        lines=(Line("What is still different then is told at once."),),
        buttons=(Button("Unmute", f"unmute {watch.id}", in_place=True),),
    )


def unmuted_card(watch: Watch, by: str) -> Card:
    return Card(f"{by} unmuted {subject_of(watch)}")


def acknowledged_card(watch: Watch, by: str) -> Card:
    return Card(
        f"{by} has {subject_of(watch)} in hand", lines=(Line("No reminders until something new comes on top."),)
    )


def mute_choice_card(watch: Watch) -> Card:
    """For how long, where no form can be shown."""
    return Card(
        f"Mute {subject_of(watch)} for how long?",
        buttons=tuple(Button(length, f"mute {watch.id} {word}", in_place=True) for word, length in MUTE_FOR.options),
        footnote="or type, for example: mute 203.0.113.5 12h",
        private=True,
    )


def settings_card(settings: RoomSettings, by: str = "") -> Card:
    """How the channel hears of things; public once somebody changed it."""
    who = "only the one who made a watch" if settings.restrict else "everybody in this channel"
    return Card(
        f"{by} changed the settings of this channel" if by else "Settings of this channel",
        facts=(
            Fact("Updates", f"{settings.updates}: {UPDATES.get(settings.updates, '')}"),
            Fact("Reminder", "after a day in the thread" if settings.reminder else "off"),
            Fact("May end or mute a watch", who),
            Fact("Digest", "on Monday mornings (UTC), of the week before" if settings.digest else "off"),
            Fact("When a blocklist itself is broken", "told here, once" if settings.lists else "not told here"),
        ),
        footnote=CHANGE,
        private=not by,
    )


def not_here_card() -> Card:
    """The bot cannot speak in the channel, so nothing is kept."""
    return Card(
        "mailcheck is not in this channel and could not alert it, so nothing is watched yet",
        Tone.WARN,
        step="Add mailcheck to the channel (in Slack: /invite @mailcheck), then ask again.",
        private=True,
    )


def resumed_card() -> Card:
    return Card(
        "The watches of this channel go on", Tone.GOOD, lines=(Line("They had rested since mailcheck was gone."),)
    )


def _several_added(added: Sequence[Added], lines: tuple[Line, ...]) -> Card:
    rows = tuple(
        (
            subject_of(one.watch),
            what_is_wrong(one.problems) or "nothing is wrong",
            write_duration(one.every),
            one.watch.id,
        )
        for one in added
    )
    return Card(
        f"Watching {count(len(added), 'target')}",
        Tone.WARN if any(one.problems for one in added) else Tone.GOOD,
        lines=(Line("What is wrong already is known now; you hear of changes only."), *lines),
        table=Table(("Target", "Found at the first look", "Every", "Id"), rows),
    )


def _silent(one: Added) -> list[Line]:
    """Silence is not "clean", and what such a list says first is news."""
    if not one.silent:
        return []
    said = f"{one.silent} of {len(one.heard)} blocklists gave no answer that can be believed; `lists` shows which."
    return [Line(said, Tone.UNSURE)]


def _known(problems: Sequence[Problem]) -> list[Line]:
    if not problems:
        return [Line("Nothing is wrong at the first look.", Tone.GOOD)]
    shown = [Line(p.sight.says or named([p]), TONES[p.sight.severity], p.sight.step) for p in problems[:KNOWN_SHOWN]]
    more = [Line(f"{len(problems) - KNOWN_SHOWN} more.")] if len(problems) > KNOWN_SHOWN else []
    return [*shown, *more, Line("This is known now and raises no alert; its end is told.")]


def state_of(one: Kept) -> str:
    """How a watch is, in a few words: what is wrong, who has it in hand, and what holds its alerts back."""
    incident = one.incident
    there = [p for p in incident.problems if p.told and p.phase is not Phase.CLEAN]
    states = [what_is_wrong(each_once(there)) or "all good"]
    states += ["acknowledged"] if incident.acknowledged and incident.opened else []
    states += [f"muted until {when(incident.muted.until)}"] if incident.muted else []
    states += ["resting: mailcheck is not in this channel"] if one.paused else []
    return ", ".join(states)


def interval_of(one: Kept) -> str:
    """How often it is looked at, and how often it was to be where the lists allow less."""
    wished, got = one.watch.every, one.every or one.watch.every
    return write_duration(got) + (f" (wished: {write_duration(wished)})" if got > wished else "")


def _watches(number: int) -> str:
    return "1 watch" if number == 1 else f"{number} watches"


def _short(length: timedelta) -> str:
    return write_duration(length).replace(" ", "")
