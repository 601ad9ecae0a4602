"""The message that begins the thread of an alert and is kept up to date, and who is told that there is no place for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.durations import write_duration
from bot.watching.model import Alert, Incident, Problem, Reason, Watch
from bot.watching.observations import BLOCKLIST
from handlers.card import Button, Card, Fact, Line, Tone
from handlers.messages.problems import by_address, gone, known_before, lines_of, lost, still, tone_of, weight
from handlers.messages.replies import cleared, reply_of
from handlers.messages.subjects import name_of_problem, subject_of, what_is_wrong, when
from handlers.messages.words import MUTE_FOR

MOST_CHECKED = 16  # addresses in one order
INVITE = "Add mailcheck to the channel again (in Slack: /invite @mailcheck), and its watches go on."


def root_card(watch: Watch, incident: Incident, alert: Alert) -> Card:
    """The message that stands for the alert's thread, as things are with this alert."""
    if alert.root and alert.opened is None:
        return reply_card(watch, alert)  # news that opens nothing, and stands alone
    if alert.reason is Reason.RESOLVED:
        return _over(watch, alert)
    return _standing(watch, incident, (*alert.new, *alert.still), (*gone(alert.gone), *lost(alert.lost)))


def standing_card(watch: Watch, incident: Incident) -> Card:
    """The same between two alerts, after someone took it in hand."""
    return _standing(watch, incident, tuple(p for p in incident.problems if p.told))


def reply_card(watch: Watch, alert: Alert) -> Card:
    """What this alert adds; it names what it is about, because a reply may be shown outside of its thread."""
    card = reply_of(watch, alert)
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


def _standing(watch: Watch, incident: Incident, problems: Sequence[Problem], aside: Iterable[Line] = ()) -> Card:
    """What was wrong before the incident, or is too small for one, is named and no more: it is not the news."""
    before = [problem for problem in problems if not problem.quiet] and [p for p in problems if p.quiet]
    ranked = sorted((problem for problem in problems if problem not in before), key=weight)
    step = next((p.sight.step for p in ranked if p.sight.step), "")
    opened = incident.opened or min((p.since for p in ranked), default=incident.began)
    hand = [Fact("Acknowledged", f"by {a.by}, {when(a.at)}")] if (a := incident.acknowledged) else []
    mute = [Fact("Muted", f"by {m.by}, until {when(m.until)}")] if (m := incident.muted) else []
    return Card(
        title=_title(watch, ranked, before),
        tone=Tone.UNSURE if incident.muted else Tone.WARN if incident.acknowledged else tone_of(ranked),
        step=step,
        lines=(*lines_of(watch, ranked, step), *aside, *known_before(before)),
        facts=(Fact("Since", when(opened)), *hand, *mute),
        table=by_address(ranked) if watch.several else None,
        buttons=(*_form(ranked), *_in_hand(watch, incident), *_check(watch, ranked)),
        footnote=_footnote(watch),
    )


def _over(watch: Watch, alert: Alert) -> Card:
    return Card(
        cleared(watch, alert),
        Tone.GOOD,
        lines=(*gone(alert.gone), *lost(alert.lost), *still(alert.still)),
        facts=(Fact("Since", when(alert.opened or alert.at)), Fact("Until", when(alert.at))),
        buttons=_check(watch, (*alert.gone, *alert.lost)),
        footnote=_footnote(watch),
    )


def _title(watch: Watch, problems: Sequence[Problem], before: Sequence[Problem]) -> str:
    subject = subject_of(watch)
    listed = [p.sight for p in (*problems, *before) if p.sight.check == BLOCKLIST]
    addresses = {sight.address for sight in listed if sight.address}
    if watch.several and watch.network and addresses:
        return f"{subject}: {len(addresses)} of {watch.network.num_addresses} addresses listed"
    return f"{subject}: {what_is_wrong(problems)}" if problems else f"{subject}: nothing is wrong any more"


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


def _footnote(watch: Watch) -> str:
    return f"Watch {watch.id} · every {write_duration(watch.every)}"
