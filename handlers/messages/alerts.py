"""What a room is told of a watch: the message that begins a thread and is kept up to date, the replies in it, and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from bot.durations import write_duration
from bot.watching.breaker import ListNote, NoteReason
from bot.watching.model import Alert, Incident, Problem, Reason, Severity, Watch, each_once
from bot.watching.observations import BLOCKLIST
from handlers.card import Button, Card, Fact, Line, Table, Tone
from handlers.messages.subjects import name_of_problem, named, subject_of, what_is_wrong, when
from handlers.messages.words import MUTE_FOR, count

Address = IPv4Address | IPv6Address

PROBLEMS_SHOWN = 8
NAMES_IN_A_ROW = 3
MOST_CHECKED = 16  # addresses in one order
SEVERITIES = list(Severity)
TONES = {Severity.HIGH: Tone.BAD, Severity.MEDIUM: Tone.WARN, Severity.LOW: Tone.PLAIN, Severity.NONE: Tone.PLAIN}
INVITE = "Add mailcheck to the channel again (in Slack: /invite @mailcheck), and its watches go on."


def root_card(watch: Watch, incident: Incident, alert: Alert) -> Card:
    """The message that stands for the alert's thread, as things are with this alert."""
    if alert.root and alert.opened is None:
        return reply_card(watch, alert)  # news that opens nothing, and stands alone
    if alert.reason is Reason.RESOLVED:
        return _over(watch, alert)
    return _standing(watch, incident, (*alert.new, *alert.still), (*_gone(alert.gone), *_lost(alert.lost)))


def standing_card(watch: Watch, incident: Incident) -> Card:
    """The same between two alerts, after someone took it in hand."""
    return _standing(watch, incident, tuple(p for p in incident.problems if p.told))


def reply_card(watch: Watch, alert: Alert) -> Card:
    """What this alert adds; it names what it is about, because a reply may be shown outside of its thread."""
    card = REPLIES[alert.reason](watch, alert)
    alone = alert.root and alert.opened is None
    return replace(card, buttons=_check(watch, alert.new)) if alone else card


def silenced_card(watch: Watch, why: str) -> Card:
    """Told to the one who made the watch, where the room can no longer be."""
    return Card(
        f"The alerts about {subject_of(watch)} cannot be delivered: their channel is closed to mailcheck",
        Tone.WARN,
        step=INVITE,
        lines=(Line("Until then all watches of that channel rest; after 30 days they end."),),
        footnote=f"The platform says: {why}" if why else "",
    )


def list_note_card(note: ListNote, names: Mapping[str, str]) -> Card:
    """One note about a list itself, for whoever runs the bot; `names` are the lists' names by id."""
    lists = [names.get(name, name) for name in note.lists]
    said = lists[0] if len(lists) == 1 else f"{len(lists)} blocklists"
    title, tone, text, step = NOTES[note.reason]
    lines = [Line(text)]
    if note.reason is NoteReason.QUARANTINED and note.asked:
        lines.append(Line(f"{note.flipped} of the last {note.asked} targets asked turned to listed."))
    if len(lists) > 1:
        lines.append(Line(f"They are {', '.join(lists)}."))
    return Card(title.format(said, are="is" if len(lists) == 1 else "are"), tone, step, tuple(lines))


NOTES = {
    NoteReason.QUARANTINED: (
        "{} lists too much to be believed, and is left out",
        Tone.WARN,
        "No alert is sent for what it says. This happens when a list is closed, sold or broken.",
        "Nothing to do: it is believed again after three good answers to its own test entries.",
    ),
    NoteReason.TRUSTED: ("{} answers right again", Tone.GOOD, "What it says counts again.", ""),
    NoteReason.DEGRADED: (
        "{} {are} not answering",
        Tone.UNSURE,
        "What was listed stays listed and what was clean stays clean until there is an answer.",
        "If it lasts, run `mailcheck doctor` where the bot runs: its resolver may be refused.",
    ),
    NoteReason.ANSWERING: ("{} {are} answering again", Tone.GOOD, "Watches go on as before.", ""),
}


# The root


def _standing(watch: Watch, incident: Incident, problems: Sequence[Problem], aside: Iterable[Line] = ()) -> Card:
    ranked = sorted(problems, key=_weight)
    step = next((p.sight.step for p in ranked if p.sight.step), "")
    opened = incident.opened or min((p.since for p in ranked), default=incident.began)
    hand = [Fact("Acknowledged", f"by {a.by}, {when(a.at)}")] if (a := incident.acknowledged) else []
    mute = [Fact("Muted", f"by {m.by}, until {when(m.until)}")] if (m := incident.muted) else []
    return Card(
        title=_title(watch, ranked),
        tone=Tone.UNSURE if incident.muted else Tone.WARN if incident.acknowledged else _tone(ranked),
        step=step,
        lines=(*_lines(watch, ranked, step), *aside),
        facts=(Fact("Since", when(opened)), *hand, *mute),
        table=_by_address(ranked) if watch.several else None,
        buttons=(*_form(ranked), *_in_hand(watch, incident), *_check(watch, ranked)),
        footnote=_footnote(watch),
    )


def _over(watch: Watch, alert: Alert) -> Card:
    return Card(
        _cleared(watch, alert),
        Tone.GOOD,
        lines=(*_gone(alert.gone), *_lost(alert.lost), *_still(alert.still)),
        facts=(Fact("Since", when(alert.opened or alert.at)), Fact("Until", when(alert.at))),
        buttons=_check(watch, (*alert.gone, *alert.lost)),
        footnote=_footnote(watch),
    )


def _title(watch: Watch, problems: Sequence[Problem]) -> str:
    subject = subject_of(watch)
    listed = [p for p in problems if p.sight.check == BLOCKLIST]
    addresses = {p.sight.address for p in listed if p.sight.address}
    if watch.several and watch.network and addresses:
        return f"{subject}: {len(addresses)} of {watch.network.num_addresses} addresses listed"
    return f"{subject}: {what_is_wrong(problems)}" if problems else f"{subject}: nothing is wrong any more"


def _lines(watch: Watch, problems: Sequence[Problem], step: str = "") -> list[Line]:
    """Each problem once; of a range, whose addresses stand in a table, one example for each list."""
    once = each_once(problems)
    if watch.several:
        examples: dict[tuple[str, str, str], Problem] = {}
        for problem in once:
            sight = problem.sight
            examples.setdefault((sight.check, sight.about, sight.sublist), problem)
        once = tuple(examples.values())
    left = [Line(f"{count(len(once) - PROBLEMS_SHOWN, 'more problem')}.")] if len(once) > PROBLEMS_SHOWN else []
    return [_line(problem, step) for problem in once[:PROBLEMS_SHOWN]] + left


def _line(problem: Problem, but: str) -> Line:
    sight = problem.sight
    changed = f"{sight.was} → {sight.value or 'nothing'}" if sight.was and sight.was != sight.value else ""
    detail = "" if sight.step == but else sight.step
    return Line(
        sight.says or f"{name_of_problem(problem)} reports a problem.",
        TONES[sight.severity],
        detail,
        sight.text or changed,
    )


def _by_address(problems: Sequence[Problem]) -> Table | None:
    """A row for each address, or for several in a row of which the same is true."""
    found: dict[Address, list[Problem]] = {}
    for problem in problems:
        if problem.sight.address:
            found.setdefault(ip_address(problem.sight.address), []).append(problem)
    rows: list[tuple[Address, Address, tuple[str, str]]] = []
    for address in sorted(found, key=lambda address: (address.version, int(address))):
        said = _at_one(found[address])
        if rows and said == rows[-1][2] and int(address) == int(rows[-1][1]) + 1:
            rows[-1] = rows[-1][0], address, said
        else:
            rows.append((address, address, said))
    cells = ((str(first) if first == last else f"{first} – {last}", *said) for first, last, said in rows)
    return Table(("Address", "Where", "Since"), tuple(cells)) if rows else None


def _at_one(problems: Sequence[Problem]) -> tuple[str, str]:
    """What is wrong at one address, and since when."""
    names = list(dict.fromkeys(map(name_of_problem, problems)))
    more = [f"{len(names) - NAMES_IN_A_ROW} more"] if len(names) > NAMES_IN_A_ROW + 1 else []
    shown = names[:NAMES_IN_A_ROW] if more else names
    return ", ".join((*shown, *more)), when(min(problem.since for problem in problems))


def _in_hand(watch: Watch, incident: Incident) -> list[Button]:
    acknowledge = [] if incident.acknowledged else [Button("Acknowledge", f"ack {watch.id}")]
    mute = (
        Button("Unmute", f"unmute {watch.id}")
        if incident.muted
        else Button("Mute…", f"mute {watch.id}", choice=MUTE_FOR)
    )
    return [*acknowledge, mute]


def _form(problems: Sequence[Problem]) -> list[Button]:
    found = ((p, link) for p in problems for link in p.sight.links[:1])
    return [Button(f"{name_of_problem(p)}: {link.label.lower()}", url=link.url, primary=True) for p, link in found][:1]


def _check(watch: Watch, problems: Iterable[Problem]) -> tuple[Button, ...]:
    """Asks afresh about what had a problem; a check takes fewer addresses than a watch."""
    subject = watch.subject
    if watch.several and watch.network and watch.network.num_addresses > MOST_CHECKED:
        affected = list(dict.fromkeys(p.sight.address for p in problems if p.sight.address))[:MOST_CHECKED]
        subject = " ".join((*affected, watch.domain or ""))
    return (Button("Check again", f"check {subject.strip()} as {watch.role} fresh"),) if subject.strip() else ()


# Replies


def _opened(watch: Watch, alert: Alert) -> Card:
    return Card(
        f"{subject_of(watch)}: {what_is_wrong(alert.new)}", _tone(alert.new), lines=tuple(_lines(watch, alert.new))
    )


def _grew(watch: Watch, alert: Alert) -> Card:
    lines = (*_lines(watch, alert.new), *_gone(alert.gone), *_lost(alert.lost))
    return Card(f"{subject_of(watch)}: now also {what_is_wrong(alert.new)}", _tone(alert.new), lines=lines)


def _noted(watch: Watch, alert: Alert) -> Card:
    what = "something was changed" if all(p.sight.passing for p in alert.new) else what_is_wrong(alert.new)
    return Card(f"{subject_of(watch)}: {what}", Tone.UNSURE, lines=tuple(_lines(watch, alert.new)))


def _eased(watch: Watch, alert: Alert) -> Card:
    lines = (*_gone(alert.gone), *_lost(alert.lost), *_still(alert.still), *_lines(watch, alert.new))
    gone = alert.gone or alert.lost
    title = (
        "better"
        if alert.still
        else "no longer " + what_is_wrong(gone)
        if alert.gone
        else "no longer followed on a list"
    )
    return Card(f"{subject_of(watch)}: {title}", Tone.WARN if alert.still else Tone.GOOD, lines=lines)


def _resolved(watch: Watch, alert: Alert) -> Card:
    lines = (*_gone(alert.gone), *_lost(alert.lost), *_still(alert.still))
    return Card(_cleared(watch, alert), Tone.GOOD, lines=lines)


def _reminded(watch: Watch, alert: Alert) -> Card:
    since = f" after {write_duration(alert.at - alert.opened)}" if alert.opened else ""
    step = next((p.sight.step for p in sorted(alert.still, key=_weight) if p.sight.step), "")
    title = f"{subject_of(watch)}: still {what_is_wrong(alert.still) or 'not right'}{since}"
    return Card(title, Tone.WARN, step, buttons=(Button("Acknowledge", f"ack {watch.id}", in_place=True),))


def _unstable(watch: Watch, alert: Alert) -> Card:
    said = "You hear of it again once it has stayed the same for 12 hours."
    names = ", ".join(dict.fromkeys(map(name_of_problem, alert.new)))
    return Card(
        f"{subject_of(watch)}: {names} comes and goes", Tone.WARN, lines=(*_lines(watch, alert.new), Line(said))
    )


def _degraded(watch: Watch, alert: Alert) -> Card:
    said = "It was seen once, and every second look went unanswered, so nobody knows whether it is true."
    title = f"{subject_of(watch)}: perhaps {what_is_wrong(alert.new)}"
    return Card(title, Tone.UNSURE, lines=(*_lines(watch, alert.new), Line(said, Tone.UNSURE)))


REPLIES: Mapping[Reason, Callable[[Watch, Alert], Card]] = {
    Reason.OPENED: _opened,
    Reason.GREW: _grew,
    Reason.NOTED: _noted,
    Reason.EASED: _eased,
    Reason.RESOLVED: _resolved,
    Reason.REMINDER: _reminded,
    Reason.UNSTABLE: _unstable,
    Reason.DEGRADED: _degraded,
}


def _cleared(watch: Watch, alert: Alert) -> str:
    after = f" after {write_duration(alert.at - alert.opened)}" if alert.opened else ""
    return f"{subject_of(watch)}: clear again{after}"


def _gone(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"No longer: {named(problems)}.", Tone.GOOD)] if problems else []


def _still(problems: Sequence[Problem]) -> list[Line]:
    return [Line(f"Still there: {named(problems)}.", Tone.WARN)] if problems else []


def _lost(problems: Sequence[Problem]) -> list[Line]:
    said = "not asked for a week, so it is not known whether it is still there"
    return [Line(f"{named(problems)}: {said}.", Tone.UNSURE)] if problems else []


def _tone(problems: Sequence[Problem]) -> Tone:
    return TONES[min((p.sight.severity for p in problems), key=SEVERITIES.index, default=Severity.NONE)]


def _weight(problem: Problem) -> tuple[int, datetime]:
    return SEVERITIES.index(problem.sight.severity), problem.since


def _footnote(watch: Watch) -> str:
    return f"Watch {watch.id} · every {write_duration(watch.every)}"
